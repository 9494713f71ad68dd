"""From ticked rubric lines to a score: cumulative tiers and bonus badges.

60 needs all lines of tier 60, 80 also all of 80, 100 also all of 100. Below 60 a candidate has 40 with
at least one line of any tier, else 0. Bonus lines are a badge and move no score. Help used is shown
elsewhere and caps nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from questions import RubricLine

Points = Literal[0, 40, 60, 80, 100]
_STEPS: tuple[Literal[60, 80, 100], ...] = (60, 80, 100)


@dataclass(frozen=True)
class Score:
    """What an answer is worth. `bonus` holds the ids of bonus lines made; `missing` those of all lines
    still missing for the next tier, empty at 100."""

    points: Points
    bonus: tuple[str, ...]
    missing: tuple[str, ...]


def score(lines: Iterable[RubricLine], met: Collection[str]) -> Score:
    """The score for the lines whose ids are in `met`; ids that the rubric lacks are ignored.

    score(question.rubric, {"temperature-randomness"}).points  # 40
    """
    lines = tuple(lines)
    points: Points = 40 if any(line.id in met and line.tier != "bonus" for line in lines) else 0
    missing: tuple[str, ...] = ()
    for step in _STEPS:
        missing = tuple(line.id for line in lines if line.tier == step and line.id not in met)
        if missing:
            break
        points = step
    return Score(points, tuple(line.id for line in lines if line.tier == "bonus" and line.id in met), missing)


def met_lines(
    lines: Iterable[RubricLine], ticked: Collection[str], decisions: Mapping[str, bool | None]
) -> frozenset[str]:
    """The lines that count: decided where a prediction or lab decides them, else as ticked.

    `decisions` has True or False by the id of a prediction or claim; None, such as a skipped prediction,
    decides nothing and leaves the line to the tick.

        met_lines(question.rubric, {"nucleus-size"}, {"survivors": False})  # without "nucleus-size"
    """

    def counts(line: RubricLine) -> bool:
        decision = decisions.get(line.decided_by) if line.decided_by else None
        return line.id in ticked if decision is None else decision

    return frozenset(line.id for line in lines if counts(line))


def highest(lines: Iterable[RubricLine], decisions: Mapping[str, bool | None]) -> Points:
    """The best score that an attempt can still have: with every line that is not decided against it."""
    lines = tuple(lines)
    return score(lines, met_lines(lines, {line.id for line in lines}, decisions)).points
