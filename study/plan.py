"""A plan of days towards an interview: what is new, what is due, and everything once more at the end."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

MOST_LAST_DAYS = 5
"""Days at the end that are kept for going through everything once more."""


@dataclass(frozen=True)
class Day:
    """What one day holds, by question key: first answers, reviews that are due, and last reviews."""

    day: date
    new: tuple[str, ...] = ()
    due: tuple[str, ...] = ()
    last: tuple[str, ...] = ()


def plan(
    questions: Sequence[str],
    due: Mapping[str, date],
    recall: Mapping[str, float],
    today: date,
    on: date,
    again: Mapping[str, date] | None = None,
    begun: Collection[str] = (),
) -> list[Day]:
    """The days from today to the one before the interview on `on`, those without work left out.

    `due` has the day of the next review of each question that was scored, `recall` the chance to recall it,
    `again` the day of its last score where it was scored before; `begun` are those scored for the first time
    today.
    The last days, a third of all and five at the most, hold every question once more, the best known first:
    what is weakest comes closest to the interview. Once every question has a score they are the last five,
    and what was scored again in them is done. Questions without a score are spread evenly over the days
    before. A review that would fall into the last days is left to them. What was done today counts as part
    of today's share, so that nobody who has done it is given more.

    >>> from datetime import date
    >>> first, second, interview = (date(2026, 1, day) for day in (1, 2, 4))
    >>> days = plan(["q01", "q02"], {"q01": second}, {"q01": 0.9}, first, interview)
    >>> [(each.day.day, each.new, each.due, each.last) for each in days]
    [(1, ('q02',), (), ()), (2, (), ('q01',), ()), (3, (), (), ('q01', 'q02'))]
    """
    days = [today + timedelta(days=number) for number in range(max((on - today).days, 0))]
    if not days:
        return []
    unanswered = [name for name in questions if name not in due]
    kept = min(max(len(days) // 3, 1) if unanswered else len(days), MOST_LAST_DAYS)
    before, at_the_end = days[: len(days) - kept], days[len(days) - kept :]
    new = _spread([*begun, *unanswered], before)
    begin = on - timedelta(days=kept if unanswered else MOST_LAST_DAYS)
    left = [name for name in questions if (again or {}).get(name, date.min) < begin]
    done = [name for name, day in (again or {}).items() if day == today and today in at_the_end]
    last = _spread([*done, *sorted(left, key=lambda name: -recall.get(name, 0.0))], at_the_end)
    reviews: dict[date, list[str]] = {}
    for name in questions:
        if name in due and before and due[name] <= before[-1]:
            reviews.setdefault(max(due[name], today), []).append(name)
    found = [
        Day(day, _without(begun, new.get(day)), tuple(reviews.get(day, ())), _without(done, last.get(day)))
        for day in days
    ]
    return [day for day in found if day.new or day.due or day.last]


def _without(done: Collection[str], names: tuple[str, ...] | None) -> tuple[str, ...]:
    return tuple(name for name in names or () if name not in done)


def _spread(names: Sequence[str], days: Sequence[date]) -> dict[date, tuple[str, ...]]:
    """The names in order over the days, as evenly as whole ones can be, the earlier days first."""
    cuts = [math.ceil(len(names) * number / len(days)) for number in range(len(days) + 1)] if days else []
    return {day: tuple(names[cuts[index] : cuts[index + 1]]) for index, day in enumerate(days)}
