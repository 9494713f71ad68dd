"""Numbers as people type them; what cannot be is refused and says which kind of impossible it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from questions import Prediction, load_question, load_questions
from study.predictions import AnswerError
from study.typed_number import read_typed

TOKENS = load_question("q10_grad_scaler").prediction("last-safe-tokens")
SIZE = load_question("q06_gqa").prediction("cache-size")
TIMES = load_question("q06_gqa").prediction("speedup-at-batch-one")
SHARE = load_question("q13_sampling").prediction("top-probability")
PERCENT = load_question("q11_nan").prediction("plateau-alarms")
NUMERIC = [each for question in load_questions() for each in question.predictions if each.kind == "number"]


@pytest.mark.parametrize(
    ("prediction", "typed", "number"),
    [
        (SIZE, "3.5", 3.5),
        (SIZE, "3,5", 3.5),
        (SIZE, " 3。5 ".replace("。", "．"), 3.5),
        (SIZE, "0,125", 0.125),
        (SIZE, "1.000,5", 1000.5),
        (SIZE, "3.500", 3.5),
        (SIZE, "8.4 MB", 8.4),
        (SIZE, "8,4mb", 8.4),
        (SIZE, ".5", 0.5),
        (TOKENS, "1,000", 1000),
        (TOKENS, "1,000,000", 1e6),
        (TOKENS, "1 000 000", 1e6),
        (TOKENS, "1\u00a0000\u202f000", 1e6),
        (TOKENS, "1.000.000", 1e6),
        (TOKENS, "1'000'000", 1e6),
        (TOKENS, "1e6", 1e6),
        (TOKENS, "1E+6", 1e6),
        (TOKENS, "５２４２", 5242),
        (TOKENS, "5,242 tokens", 5242),
        (TOKENS, "5242 个词元", 5242),
        (TOKENS, "1 token", 1),
        (TIMES, "4×", 4),
        (TIMES, "4 x", 4),
        (TIMES, "4倍", 4),
        (TIMES, "≈ 4", 4),
        (TIMES, "120%", 1.2),
        (SHARE, "66 %", 0.66),
        (PERCENT, "50", 50),
        (PERCENT, "50%", 50),
        (PERCENT, "50％", 50),
    ],
)
def test_what_people_type_is_read(prediction: Prediction, typed: str, number: float) -> None:
    assert read_typed(prediction, typed) == pytest.approx(number, rel=1e-12)


@pytest.mark.parametrize(
    ("prediction", "typed", "kind"),
    [
        (SIZE, "", "unreadable"),
        (SIZE, "MB", "unreadable"),
        (SIZE, "four", "unreadable"),
        (SIZE, "1 2", "unreadable"),
        (SIZE, "1,2,3", "unreadable"),
        (SIZE, "1,00,000", "unreadable"),
        (SIZE, "nan", "unreadable"),
        (SIZE, "inf", "unreadable"),
        (SIZE, "1e999", "unreadable"),
        (SIZE, "4×", "unreadable"),
        (SIZE, "0", "range"),
        (TOKENS, "-5", "range"),
        (TOKENS, "−5", "range"),
        (TOKENS, "2.5", "whole"),
        (SHARE, "1e99", "range"),
        (SHARE, "120%", "range"),
        (PERCENT, "101", "range"),
    ],
)
def test_what_cannot_be_is_refused(prediction: Prediction, typed: str, kind: str) -> None:
    with pytest.raises(AnswerError) as caught:
        read_typed(prediction, typed)
    assert caught.value.kind == kind


@given(st.integers(1, 10**12), st.sampled_from([",", " ", ".", "'", "\u00a0"]))
def test_every_way_to_part_thousands_is_read(number: int, sign: str) -> None:
    written = f"{number:,}".replace(",", sign)
    if sign == "." and written.count(".") == 1:
        return  # 3.500 is three and a half
    assert read_typed(TOKENS, written) == number


@given(st.text(max_size=12), st.sampled_from(NUMERIC))
def test_whatever_is_typed_is_read_or_refused(typed: str, prediction: Prediction) -> None:
    try:
        number = read_typed(prediction, typed)
    except AnswerError:
        return
    assert prediction.limits.refusal(number) is None
