"""Sealed tickets as the pages take them: drawn and read once a server."""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import lru_cache

from labs.tickets import MOST_SEEDS, Ticket, TicketError, draw, is_ticket, read, seed_from
from pages.ui.experiments import registry
from pages.ui.site.question_list import questions
from questions import Prediction, Question
from study.calibration import interval_names

_MOST_KEPT = 1024


def anew(question: Question) -> Ticket | None:
    """A ticket that nobody could foresee; None where the question has none."""
    return _of_seed(question.key, random.SystemRandom().randrange(MOST_SEEDS))


def of_attempt(question: Question, attempt: str) -> Ticket | None:
    """The ticket of the attempt with this id, always the same; None where the question has none."""
    return _of_seed(question.key, seed_from(attempt))


@lru_cache(_MOST_KEPT)
def of_text(text: str) -> Ticket | None:
    """The ticket with this text or prediction id; None for none, and for one of another version."""
    try:
        return read(text, questions(), registry())
    except TicketError:
        return None


def taken(predictions: Iterable[str]) -> tuple[Prediction, ...]:
    """What the tickets among these ids of predictions asked, as far as this version can tell."""
    ids = [name for name in predictions if is_ticket(name)]
    ends = {end for name in ids for end in interval_names(name)}
    found = [of_text(name) for name in ids if name not in ends]
    return tuple(ticket.prediction for ticket in found if ticket is not None)


@lru_cache(_MOST_KEPT)
def _of_seed(key: str, seed: int) -> Ticket | None:
    question = next(each for each in questions() if each.key == key)
    try:
        return draw(question, seed, registry())
    except TicketError:
        return None
