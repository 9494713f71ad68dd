"""The questions, read once a server. Imports nothing of the pages, so that all of them can ask it."""

from __future__ import annotations

from functools import cache

from questions import Question, load_questions


@cache
def questions() -> tuple[Question, ...]:
    """All questions by number. Raises QuestionError at the first file that cannot be used."""
    return load_questions()


def question(name: str) -> Question:
    """The question called `name`, such as "Q13"."""
    return next(question for question in questions() if question.id == name)
