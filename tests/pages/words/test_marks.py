"""A minus is no hyphen and Chinese marks are full width, also in what labs put together."""

from __future__ import annotations

from decimal import Decimal

import pytest

from labs.tools.written import short_number, small_number
from pages.ui.lab.findings import cell
from pages.ui.lab.lesson import _written
from pages.ui.study.shown_number import shown_number
from pages.ui.words.markdown import filled, filled_plainly
from pages.ui.words.marks import signed, unbroken, widened
from questions.values import as_code, shown


@pytest.mark.parametrize(
    "write",
    [
        cell,
        shown_number,
        short_number,
        small_number,
        _written,
        lambda value: filled("{x:.3g}", {"x": value}),
        lambda value: filled_plainly("{x:.3g}", {"x": value}),
        lambda value: shown(Decimal(str(value))),
    ],
)
def test_whatever_writes_a_number_gives_it_a_minus_sign(write) -> None:
    assert write(-2.5) == "−2.5" and "-" not in write(-2.5e-7)


def test_code_keeps_its_hyphen() -> None:
    assert as_code((-3, Decimal("-0.5"))) == "[-3, -0.5]"


def test_ticks_that_are_numbers_get_it_and_tokens_do_not() -> None:
    assert signed('{"ticktext": ["10<sup>-4</sup>", "-2.5%", "-1"]}').count("−") == 3
    assert signed('{"x": [-1, -2.5], "text": ["top-1", "a -1 b", "-x"]}').count("−") == 0


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("实测, GQA-2", "实测，GQA-2"),
        ("FP16: 归零", "FP16：归零"),
        ("耗时 (ms), 训练", "耗时（ms），训练"),
        ("词表 6,400 (每字节比特)", "词表 6,400（每字节比特）"),
        ("sum(a, b): 1,024", "sum(a, b): 1,024"),
        ('["实测", "GQA"], "x": 1', '["实测", "GQA"], "x": 1'),
    ],
)
def test_marks_beside_chinese_are_full_width(english: str, chinese: str) -> None:
    assert widened(english) == chinese


def test_a_date_is_not_parted_at_the_end_of_a_line() -> None:
    assert unbroken("2026-11-30").replace("\N{WORD JOINER}", "") == "2026-11-30"
    assert unbroken("2026-11-30").count("-\N{WORD JOINER}") == 2
