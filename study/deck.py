"""The cards of the review checklist: whether an answer is right, and when a card comes again.

As for questions (study.review) nothing but the answers is kept, each a moment and whether it was right: the
schedule is their replay. `written` and `read` make a text of them and back; a text may come from an import,
so `read` judges every value.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from questions import Question, Tolerance
from questions.checklist import Card
from study.review import Review, replay

NEAR = Tolerance("relative", 0.01)
"""How far a typed number may lie from the true one."""
_LATEST = 253_402_300_800.0
"""The year 10000, in seconds since 1970."""
MOST = 1000
"""Answers to one card that are kept; the oldest go first."""


@dataclass(frozen=True)
class Answered:
    """One answer to a card: when, in seconds since 1970, and whether it was right."""

    moment: float
    right: bool


def is_right(card: Card, question: Question, answer: float | int) -> bool:
    """Whether a number is within one percent of the claim's, or the right choice was taken."""
    if card.answer is None:
        return answer == card.right
    return NEAR.accepts(float(answer), card.number(question))


def order(card: Card, times: int) -> list[int]:
    """The places of the choices in the order in which they are shown to who has answered so many `times`.

    Another one each time, so that nobody learns a place instead of an answer; the same while one is asked.
    """
    return random.Random(f"{card.id} {times}").sample(range(len(card.choices)), len(card.choices))


def plan(card: str, answers: Sequence[Answered]) -> Review | None:
    """When the card comes again: a right answer is FSRS's Good, a wrong one Again. None before the first."""
    if not answers:
        return None
    ordered = sorted(answers, key=lambda each: each.moment)
    return replay(card, [(each.moment, 80 if each.right else 0) for each in ordered])


def next_card(
    cards: Sequence[Card], plans: Mapping[str, Review | None], now: float, once_more: Collection[str] = ()
) -> Card | None:
    """What to ask now: the card that is due longest, else the first that was never asked; else None.

    The cards with the ids `once_more` are due today too, whatever their plan says.
    """
    due = [
        (found.due, card)
        for card in cards
        if (found := plans[card.id]) and (found.due <= now or card.id in once_more)
    ]
    if due:
        return min(due, key=lambda pair: pair[0])[1]
    return next((card for card in cards if plans[card.id] is None), None)


def written(answers: Sequence[Answered]) -> str:
    """The text that `read` understands.

    >>> written([Answered(1.5, True)])
    '[[1.5, true]]'
    """
    return json.dumps([[each.moment, each.right] for each in answers[-MOST:]])


def read(text: str) -> tuple[Answered, ...]:
    """The answers of a text; what is none is left out."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    pairs = given[-MOST:] if isinstance(given, list) else []
    return tuple(Answered(float(pair[0]), pair[1]) for pair in pairs if _is_answer(pair))


def _is_answer(pair: object) -> bool:
    if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[1], bool):
        return False
    moment = pair[0]
    return type(moment) in (int, float) and math.isfinite(moment) and 0 <= moment < _LATEST
