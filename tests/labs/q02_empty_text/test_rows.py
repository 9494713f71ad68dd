"""Lines of a corpus through the filters: what each lets pass, and lines that are no rows at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labs.contract.fields import ParamError
from labs.q02_empty_text.rows import Rows, RowsParams

Result = Callable[..., dict[str, Any]]


def yours(result: dict[str, Any]) -> dict[str, Any]:
    line: dict[str, Any] = result["lines"][0]
    return line


@pytest.mark.parametrize("dataset", ["bare", "with_specials"])
def test_strip_lets_through_what_counting_says_and_targets_nothing(result: Result, dataset: str) -> None:
    rows = result("rows", dataset=dataset)
    formula = Rows().formula(RowsParams(dataset=dataset))
    assert {name: rows["harmful"][name] for name in ("strip", "targets")} == formula["harmful"]


def test_the_named_lines_are_worth_what_they_are_said_to_be(result: Result) -> None:
    lines = {line["name"]: line for line in result("rows")["lines"]}
    assert [lines[name]["targets"] for name in ("empty", "character", "full_stop", "nul")] == [0] * 4
    assert lines["literal_padding"]["targets"] == 0 and lines["literal_padding"]["tokens"] == 3
    assert lines["zero_width"]["targets"] > 0, "strip keeps zero-width characters, and they have targets"
    assert lines["null"]["outcomes"] == {"none": "raises", "strip": "raises", "targets": "dropped"}
    assert lines["blank_line"]["error"].endswith("Expecting value")


def test_torch_refuses_a_none_and_a_filtering_collate_leaves_it_out(result: Result) -> None:
    collates = result("rows")["collates"]
    assert collates["default"].startswith("TypeError") and collates["filtering"] == "1"
    assert collates["nothing_left"] == "None"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "not_json"),
        ("not json", "not_json"),
        ("[" * 20_000, "not_json"),
        ('{"text": ' + "9" * 5000 + "}", "not_json"),
        ("[]", "no_text"),
        ("5", "no_text"),
        ("{}", "no_text"),
        ('{"text": null}', "not_a_string"),
        ('{"text": "\\ud800"}', "half_character"),
        ('{"text": "\\u0000"}', "no_target"),
        ('{"text": " \\u3000 "}', "empty"),
        ('{"text": "🙂🙂 你好 hello"}', "usable"),
        ('{"text": "' + "长文本 " * 4000 + '"}', "usable"),
    ],
    ids=lambda value: value[:24],
)
def test_every_line_has_its_reason_and_none_ends_the_run(result: Result, line: str, reason: str) -> None:
    assert yours(result("rows", line=line))["reason"] == reason


def test_a_megabyte_is_refused() -> None:
    with pytest.raises(ParamError, match="the most is 20,000"):
        RowsParams(line="x" * 1_000_000)
