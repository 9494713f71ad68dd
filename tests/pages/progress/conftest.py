"""Attempts in the store of a test, as a page would have left them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import pages.ui.progress.sidebar  # noqa: F401  a server has it after its first page
from questions import load_question
from study.scoring import Points
from study.store import Attempt, Store

Answered = Callable[..., Attempt]


@pytest.fixture
def answered(study: Store) -> Answered:
    """Answers a question and, with `points`, scores it; numbers are said and measured in the order asked."""

    def answer(
        slug: str,
        *,
        said: Any = None,
        measured: Any = 2.0,
        text: str = "Fewer KV heads",
        points: Points | None = None,
        reference: bool = True,
        seconds: float = 431.0,
    ) -> Attempt:
        question = load_question(slug)
        me = study.profiles.named_or_new("Me").id
        attempt = study.attempts.open(me, question.key)
        for prediction in question.predictions:
            if prediction.kind == "number":
                attempt = study.attempts.predict(attempt, prediction.id, said)
                attempt = study.attempts.measure(attempt, prediction.id, measured)
            else:
                attempt = study.attempts.predict(attempt, prediction.id, None)
        attempt = study.attempts.update(
            attempt, text=text, help_used=["reference"] * reference, seconds=seconds
        )
        return attempt if points is None else study.attempts.finish(attempt, points)

    return answer
