"""Numbers as written: their digits are the statement, and they show in one form in every language."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from questions import Tolerance
from questions.values import agree, as_code, part, plain, shown

DECIMALS = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places), st.integers(-(10**6), 10**6), st.integers(1, 8)
)


@given(DECIMALS, st.floats(-0.45, 0.45))
def test_a_number_agrees_with_what_rounds_to_its_digits(number: Decimal, off: float) -> None:
    last_digit = 10.0 ** int(number.as_tuple().exponent)
    assert agree(number, float(number) + off * last_digit)
    assert not agree(number, float(number) + (0.6 if off < 0 else -0.6) * last_digit)


@given(st.integers(-(10**12), 10**12), st.integers(1, 5))
def test_a_whole_number_agrees_with_itself_only(number: int, off: int) -> None:
    assert agree(number, number) and agree(number, float(number)) and not agree(number, number + off)


@pytest.mark.parametrize(
    ("stated", "measured", "agrees"),
    [
        (Decimal("0.50"), 0.504, True),
        (Decimal("0.50"), 0.51, False),
        (Decimal("6.1e-6"), 6.14e-6, True),
        ((1, 2), [1, 2], True),
        ((1, 2), [1], False),
        ((1, 2), 1, False),
        (1, [1], False),
        (1, "1", False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, [1], False),
        ("nan", "nan", True),
        ("nan", float("nan"), False),
        (True, True, True),
        (True, 1, False),
        (1, True, False),
        (1, None, False),
        (Decimal("0.5"), float("nan"), False),
    ],
)
def test_shapes_and_kinds_must_match(stated: Any, measured: Any, agrees: bool) -> None:
    assert agree(stated, measured) is agrees


def test_a_tolerance_replaces_the_digits() -> None:
    assert agree((Decimal("0.5"), 2), [0.52, 2.05], Tolerance("relative", 0.05))
    assert not agree((Decimal("0.5"), 2), [0.52, 2.2], Tolerance("relative", 0.05))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2048, "", "2,048"),
        (Decimal("1073.7"), "MB", "1,073.7\N{NO-BREAK SPACE}MB"),
        (Decimal("3.125"), "%", "3.125%"),
        (Decimal("1.08"), "×", "1.08×"),
        (Decimal("0.50"), "", "0.50"),
        (Decimal("1e-8"), "", "10⁻⁸"),
        (Decimal("4.54e-5"), "", "4.54 × 10⁻⁵"),
        (Decimal("0.0"), "", "0.0"),
        (Decimal("0.0005"), "", "0.0005"),
        (Decimal("-2.40"), "", "−2.40"),
        (("a", True, Decimal("0.50")), "", "a, true and 0.50"),
        ((Decimal("87.5"), 4), "%", "87.5 and 4%"),
        ((1024,), "", "1,024"),
        ({"x": 1, "y": 2}, "", "x 1, y 2"),
    ],
)
def test_how_values_show(value: Any, unit: str, text: str) -> None:
    assert shown(value, unit) == text


def test_a_list_is_enumerated_in_the_language_or_written_as_code() -> None:
    assert (
        shown((3, 2), language="zh") == "3 和 2"
        and shown((3, 2, 1024), "ms", "zh") == "3、2 和 1,024\N{NO-BREAK SPACE}ms"
    )
    assert (
        as_code((2, 5, 6400)) == "[2, 5, 6400]"
        and as_code(((0, 1), (1000, 1001))) == "[[0, 1], [1000, 1001]]"
    )
    for no_sentence in ((), ((1, 2), (3, 4))):
        with pytest.raises(LookupError, match="backticks"):
            shown(no_sentence)


def test_parts_and_plain_data() -> None:
    value = {"a": (Decimal("0.5"), {"b": 3})}
    assert part(value, ("a", "2", "b")) == 3 and plain(value) == {"a": [0.5, {"b": 3}]}
    for path in (("b",), ("a", "0"), ("a", "3"), ("a", "x"), ("a", "1", "b")):
        with pytest.raises(LookupError):
            part(value, path)
