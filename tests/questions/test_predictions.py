"""What holds for the predictions of every question: limits, symbols, and what they decide."""

from __future__ import annotations

import math
import re

import pytest

from questions import Prediction, Question, load_questions

WRITTEN = [question for question in load_questions() if question.written]
NUMERIC = [each for question in WRITTEN for each in question.predictions if each.kind == "number"]
ENDLESS = {"memory-saved"}
"""A saving in percent has no least: one can pay instead of save."""
POINTING = re.compile(r"^(Such|These|Those|而)\b|The values \{|(这种|这样的|那张|这张)(表|说法|数)")


@pytest.mark.parametrize("prediction", NUMERIC, ids=lambda prediction: prediction.id)
def test_a_number_knows_what_is_impossible(prediction: Prediction) -> None:
    limits = prediction.limits
    assert prediction.id in ENDLESS or limits.refusal(-1e300) == "range"
    assert not limits.whole or limits.refusal((limits.minimum or 0) + 0.5) == "whole"
    exact = prediction.tolerance is not None and prediction.tolerance.amount == 0
    assert limits.whole or not exact, "what must be hit exactly is counted"


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_every_question_has_factors_that_people_drop(question: Question) -> None:
    assert question.symbols
    for symbol in question.symbols:
        assert math.isfinite(symbol.factor) and symbol.factor > 1


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_two_lines_of_the_best_answer_are_decided_by_more_than_a_tick(question: Question) -> None:
    predicted = {prediction.id for prediction in question.predictions}
    decided = [line for line in question.rubric if line.tier == 100 and line.decided_by in predicted]
    assert len(decided) >= 2


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_what_stands_on_a_card_speaks_of_nothing_that_was_not_read(question: Question) -> None:
    """Beside a prediction stands only what is true, without what is commonly said."""
    for prediction in question.predictions:
        for truth in question.claim(prediction.claim).truth.values():
            assert not POINTING.search(truth), truth
