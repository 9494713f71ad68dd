"""The questions, read once a server. Imports nothing of the pages, so that all of them can ask it."""

from __future__ import annotations

from functools import cache

from questions import Header, Question, load_headers, load_question, load_questions


@cache
def headers() -> tuple[Header, ...]:
    """What menus show of all questions, by number; their content waits until somebody asks for it.

    Raises QuestionError at the first that cannot be used.
    """
    return load_headers()


@cache
def questions() -> tuple[Question, ...]:
    """All questions by number. Raises QuestionError at the first file that cannot be used."""
    return load_questions()


def following(question: Question) -> Header | None:
    """The question after this one; None after the last."""
    pairs = zip(headers(), headers()[1:], strict=False)
    return next((after for before, after in pairs if before.id == question.id), None)


def question(name: str) -> Question:
    """The question called `name`, such as "Q13". Raises QuestionError where it cannot be used."""
    return load_question(next(header.slug for header in headers() if header.id == name))
