"""Predictions over all questions: the first time counts, and whatever is stored can be read."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from questions import load_question
from study.calibration import by_part, coverage, first_judgements, interval_of
from study.store import Attempt

Q6, Q13 = load_question("q06_gqa"), load_question("q13_sampling")
FIRST, SECOND = (
    next(prediction.id for prediction in question.predictions if prediction.kind == "number")
    for question in (Q6, Q13)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["low", "high", "value", "x"]), inner),
    max_leaves=6,
)


def attempt(said: Any, measured: Any, name: str = FIRST) -> Attempt:
    return Attempt("me", "a", "q06", 0.0, 0.0, predictions={name: said}, measurements={name: measured})


def test_only_the_first_measured_prediction_counts() -> None:
    newest_first = [attempt(1.1, 1.1), attempt(4.0, 1.0), attempt(3.0, None)]
    [judged] = first_judgements(Q6, newest_first)
    assert (judged.outcome.answer, judged.outcome.measured) == (4.0, 1.0)
    assert judged.point == (1.0, 4.0)


def test_each_ticket_counts_beside_the_first_time() -> None:
    asked = replace(Q6.prediction(FIRST), id="ticket.Q6-1")
    again = replace(attempt(4.0, 1.0), predictions={FIRST: 1.0, asked.id: 3.0, "ticket.gone": 1.0})
    again = replace(again, measurements={FIRST: 1.0, asked.id: 1.5, "ticket.gone": 1.0})
    judged = first_judgements(Q6, [again, attempt(4.0, 1.0)], [asked])
    assert [(each.prediction.id, each.point) for each in judged] == [
        (FIRST, (1.0, 4.0)),
        (asked.id, (1.5, 3.0)),
    ]
    assert judged[1].prediction == asked and by_part(judged)[Q6.part].made == 2


def test_the_bias_of_a_part_is_the_geometric_mean() -> None:
    judged = first_judgements(Q6, [attempt(8.0, 1.0)])
    judged += first_judgements(Q13, [attempt(0.5, 1.0, SECOND)])
    parts = by_part([*judged, *first_judgements(Q6, [attempt(2.0, 1.0)])])
    assert list(parts) == sorted({Q6.part, Q13.part})
    assert parts[Q6.part].bias == pytest.approx(4.0)
    assert parts[Q13.part].bias == pytest.approx(0.5)


def test_a_skipped_prediction_is_counted_and_has_no_place() -> None:
    [judged] = first_judgements(Q6, [attempt(None, 1.0)])
    assert judged.point is None
    assert by_part([judged])[Q6.part].skipped == 1


@pytest.mark.parametrize(("said", "measured"), [(-1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (1.0, -2.0)])
def test_what_is_not_above_zero_has_no_place_on_logarithmic_axes(said: float, measured: float) -> None:
    [judged] = first_judgements(Q6, [attempt(said, measured)])
    assert judged.point is None


def test_a_range_holds_what_was_measured_or_not() -> None:
    ranged = {FIRST: 4.0, f"{FIRST}.low": 2.0, f"{FIRST}.high": 8.0}
    judged = [
        first_judgements(Q6, [replace(attempt(4.0, measured), predictions=ranged)])[0]
        for measured in (2.0, 8.0, 9.0)
    ]
    assert [each.covered for each in judged] == [True, True, False]
    assert (coverage(judged).held, coverage(judged).given) == (2, 3)
    assert judged[0].outcome.answer == 4.0
    assert coverage(first_judgements(Q6, [attempt(4.0, 1.0)])).given == 0


@settings(deadline=None)
@given(JSON, JSON, JSON, JSON)
def test_whatever_is_stored_can_be_read(said: Any, low: Any, high: Any, measured: Any) -> None:
    stored = {FIRST: said, f"{FIRST}.low": low, f"{FIRST}.high": high}
    for judged in first_judgements(Q6, [replace(attempt(said, measured), predictions=stored)]):
        point = judged.point
        assert point is None or all(0 < value < math.inf for value in point)
    interval = interval_of(stored, FIRST)
    assert interval is None or interval[0] <= interval[1]


def test_a_prediction_that_is_gone_is_left_out() -> None:
    assert first_judgements(Q6, [attempt(1.0, 1.0, "gone")]) == []
    assert first_judgements(replace(Q6, predictions=()), [attempt(1.0, 1.0)]) == []
