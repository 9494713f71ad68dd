"""Predictions against measurements: tolerances, tempting wrong answers, calibration."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from questions import Prediction, Tolerance, WrongAnswer, load_question
from questions.interview import Choice
from study.predictions import AnswerError, Outcome, calibrate, check_answer, judge

SURVIVORS = load_question("q13_sampling").prediction("survivors")
TEXT = {"en": "a", "zh": "甲"}
CHOICE = dataclasses.replace(
    SURVIVORS,
    kind="choice",
    tolerance=None,
    choices=(Choice("more", TEXT), Choice("less", TEXT)),
    wrong_answers=(WrongAnswer("less", TEXT),),
)
POSITIVE = st.floats(1e-6, 1e6)
TOLERANCES = st.one_of(
    st.builds(Tolerance, st.sampled_from(["absolute", "relative"]), st.floats(0, 10)),
    st.builds(Tolerance, st.just("factor"), st.floats(1, 10)),
)


def number(kind: str, amount: float) -> Prediction:
    return dataclasses.replace(SURVIVORS, tolerance=Tolerance(kind, amount), wrong_answers=())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("prediction", "answer", "measured", "correct"),
    [
        (number("absolute", 0), 4, 4, True),
        (number("absolute", 0), 3, 4, False),
        (number("absolute", 0.02), 0.641187, 0.661187, True),
        (number("absolute", 0.02), 0.64, 0.661187, False),
        (number("absolute", 0.15), 1.23, 1.08, True),
        (number("absolute", 0.15), 4, 1.08, False),
        (number("relative", 0.03), 8.39 * 1.03, 8.39, True),
        (number("relative", 0.03), 8.0, 8.39, False),
        (number("relative", 0.2), -8, -10, True),
        (number("relative", 0.2), 0, 0, True),
        (number("factor", 2), 5, 10, True),
        (number("factor", 2), 20, 10, True),
        (number("factor", 2), 4.9, 10, False),
        (number("factor", 2), -10, 10, False),
        (number("factor", 2), 0, 10, False),
        (number("factor", 2), 0, 0, True),
        (CHOICE, "more", "more", True),
        (CHOICE, "less", "more", False),
    ],
)
def test_tolerances(
    prediction: Prediction, answer: float | str, measured: float | str, correct: bool
) -> None:
    assert judge(prediction, answer, measured).correct is correct


def test_a_tempting_wrong_answer_is_explained() -> None:
    outcome = judge(SURVIVORS, 3, 4)
    assert outcome.explanation is not None and "Three" in outcome.explanation.text["en"]
    assert judge(SURVIVORS, 4, 4).explanation is None and judge(SURVIVORS, 2, 4).explanation is None
    assert judge(CHOICE, "less", "more").explanation is CHOICE.wrong_answers[0]


def test_an_answer_that_turns_out_right_is_not_explained_away() -> None:
    assert judge(SURVIVORS, 3, 3).explanation is None


@pytest.mark.parametrize(
    ("prediction", "answer"),
    [
        (SURVIVORS, math.nan),
        (SURVIVORS, math.inf),
        (SURVIVORS, "3"),
        (SURVIVORS, True),
        (CHOICE, "same"),
        (CHOICE, 1),
    ],
)
def test_answers_that_make_no_sense(prediction: Prediction, answer: float | str) -> None:
    with pytest.raises(AnswerError):
        check_answer(prediction, answer)
    with pytest.raises(AnswerError):
        judge(prediction, answer, 1.0)


@given(POSITIVE, TOLERANCES)
def test_the_measured_number_itself_is_always_right(measured: float, tolerance: Tolerance) -> None:
    assert judge(number(tolerance.kind, tolerance.amount), measured, measured).correct


@given(POSITIVE, POSITIVE, TOLERANCES, st.floats(1, 5))
def test_a_wider_tolerance_accepts_no_less(
    answer: float, measured: float, tolerance: Tolerance, wider: float
) -> None:
    if tolerance.accepts(answer, measured):
        assert Tolerance(tolerance.kind, tolerance.amount * wider).accepts(answer, measured)


@given(POSITIVE, POSITIVE, st.floats(1, 10))
def test_a_factor_is_fair_to_both_sides(answer: float, measured: float, amount: float) -> None:
    tolerance = Tolerance("factor", amount)
    assert tolerance.accepts(answer, measured) == tolerance.accepts(measured, answer)


@given(POSITIVE, POSITIVE, st.floats(0, 2), st.floats(1e-3, 1e3))
def test_relative_and_factor_do_not_depend_on_the_unit(
    answer: float, measured: float, amount: float, unit: float
) -> None:
    for tolerance in (Tolerance("relative", amount), Tolerance("factor", 1 + amount)):
        ratio = answer / measured
        off = abs(ratio - 1) if tolerance.kind == "relative" else max(ratio, 1 / ratio) - 1
        if abs(off - amount) > 1e-6:
            assert tolerance.accepts(answer * unit, measured * unit) == tolerance.accepts(answer, measured)


def outcome(answer: float | None, measured: float) -> Outcome:
    return judge(number("factor", 1.5), answer, measured)


def test_calibration_by_hand() -> None:
    got = calibrate([outcome(4, 1), outcome(1, 4), outcome(2, 2), outcome(None, 7)])
    assert (got.made, got.correct, got.skipped) == (3, 1, 1)
    assert got.bias == pytest.approx(1) and got.spread == pytest.approx(4 ** (2 / 3))
    assert calibrate([]).bias is None and calibrate([judge(CHOICE, "more", "more")]).spread is None


@given(st.lists(st.tuples(POSITIVE, POSITIVE), max_size=8), st.integers(0, 5))
def test_skipping_leaves_calibration_alone(pairs: list[tuple[float, float]], skips: int) -> None:
    made = [outcome(*pair) for pair in pairs]
    without, with_skips = calibrate(made), calibrate([*made, *(outcome(None, 1.0) for _ in range(skips))])
    assert dataclasses.replace(with_skips, skipped=0) == without and with_skips.skipped == skips


@given(st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1, max_size=8))
def test_bias_never_exceeds_the_spread(pairs: list[tuple[float, float]]) -> None:
    got = calibrate(outcome(*pair) for pair in pairs)
    assert got.bias is not None and got.spread is not None and got.spread >= 1
    assert max(got.bias, 1 / got.bias) <= got.spread * (1 + 1e-9)


@pytest.mark.parametrize(("answer", "measured"), [(-1, 1), (0, 1), (1, 0), (1e308, 1e-308)])
def test_a_ratio_needs_two_numbers_of_one_sign(answer: float, measured: float) -> None:
    assert outcome(answer, measured).ratio is None
