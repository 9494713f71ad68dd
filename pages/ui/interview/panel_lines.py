"""The lines of a rubric that a person judges: all but those that a prediction decides."""

from __future__ import annotations

from collections.abc import Iterable

from questions import Question, RubricLine
from study.panel import Line


def to_tick(question: Question) -> tuple[RubricLine, ...]:
    """The lines of a question that are ticked by people."""
    predicted = {prediction.id for prediction in question.predictions}
    return tuple(line for line in question.rubric if line.decided_by not in predicted)


def lines_of(questions: Iterable[Question]) -> tuple[Line, ...]:
    """The same of several questions, as study/panel.py calls them."""
    return tuple((question.key, line.id) for question in questions for line in to_tick(question))
