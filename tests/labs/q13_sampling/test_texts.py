"""What is said of texts: syntax that is parsed and never run, diversity, repetition."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.q13_sampling import texts


@pytest.mark.parametrize(
    ("text", "ended", "valid"),
    [
        ("def f(x):\n    return x\n", True, True),
        ("def f(x):\n    return x\n    y = (1,", False, True),
        ("def f(x):\n    return x\n    y = 1 2\n    z", False, False),
        ("def f(x):\n    y = (x,\n         2,\n", False, True),
        ("def f(x):\n    y = (x,\n         2,\n", True, False),
        ("def f(x):\n", False, True),
        ("def f(x):\n", True, False),
        ("if x:\n    pass\n  else:\n    pass\n", False, False),
        ('def f():\n    """cut', False, True),
        ("print 'x'\n", False, False),
        ("x = '\0'\n", True, False),
        ("(" * 3000 + "\n", True, False),
    ],
)
def test_python_is_parsed_and_a_cut_is_no_error(text: str, ended: bool, valid: bool) -> None:
    assert texts.is_valid_python(text, ended=ended) is valid


def test_nothing_that_was_written_is_executed(tmp_path: Path) -> None:
    target = tmp_path / "written"
    assert texts.is_valid_python(f"open({str(target)!r}, 'w')\n", ended=True)
    assert not target.exists()


def test_diversity_and_repetition_count_what_they_say() -> None:
    assert texts.distinct_pairs([[1, 2, 3], [1, 2, 3]]) == 0.5
    assert texts.distinct_pairs([[1]]) == 1 and texts.repetition([1, 2, 3]) == 0
    assert texts.repetition([7] * 20) == pytest.approx(16 / 17)
    assert texts.repetition(list(range(20))) == 0


def test_spaces_and_line_breaks_can_be_seen() -> None:
    assert texts.visible(" a\tb\n") == "␣a⇥b⏎"
