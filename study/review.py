"""When a question is due again: FSRS over the scores that a person has given himself so far.

Nothing is stored for it: the schedule is the replay of the scored attempts, so it holds for imported work
and on every machine alike. FSRS-6 with its published parameters (package `fsrs`), without random spread, and
in whole days: there are no steps of minutes, as a question takes longer than a flash card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from study.scoring import Points

if TYPE_CHECKING:
    from fsrs import Scheduler

    from study.store import Attempt

_RATINGS: dict[Points, int] = {0: 1, 40: 1, 60: 2, 80: 3, 100: 4}
"""FSRS's Again, Hard, Good, Easy."""
WANTED = 0.9
"""A question is due when the chance to recall it has fallen to this."""
_LONGEST_DAYS = 365


@cache
def _scheduler() -> Scheduler:
    """Imported when first needed: the first page of a fresh server need not wait for it."""
    from fsrs import Scheduler

    return Scheduler(
        desired_retention=WANTED,
        learning_steps=(),
        relearning_steps=(),
        maximum_interval=_LONGEST_DAYS,
        enable_fuzzing=False,
    )


@dataclass(frozen=True)
class Review:
    """The plan for one question, or one card, after its scored attempts. Moments are seconds since 1970."""

    question: str
    due: float
    last: float
    points: Points
    stability: float
    """Days after which the chance to recall has fallen to 90 %."""

    def recall(self, moment: float) -> float:
        """The expected chance to answer it as well again at a moment, 0 to 1, without another review."""
        from fsrs import Card

        card = Card(card_id=1, stability=self.stability, last_review=_datetime(self.last))
        return float(_scheduler().get_card_retrievability(card, _datetime(max(moment, self.last))))


def review(attempts: Sequence[Attempt]) -> Review | None:
    """The plan after all attempts at one question, in any order; None before the first score."""
    scored = sorted((each.finished, each.tier or 0) for each in attempts if each.finished is not None)
    return replay(attempts[0].question, scored) if scored else None


def replay(name: str, scored: Sequence[tuple[float, Points]]) -> Review:
    """The plan for what is called `name` after these moments and points, at least one, in order of time."""
    from fsrs import Card, Rating

    card = Card(card_id=1)
    for moment, points in scored:
        card, _ = _scheduler().review_card(card, Rating(_RATINGS[points]), _datetime(moment))
    last, points = scored[-1]
    assert card.stability is not None
    return Review(name, card.due.timestamp(), last, points, card.stability)


def _datetime(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
