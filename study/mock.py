"""A mock interview: which questions it asks, how long each may take, and how far somebody is with it.

    drawn = draw({"q05": 1, "q06": 2, "q13": 2}, {"q06": 0.9}, 20, seed=7)  # ("q05", "q13"), most likely

Keeps nothing itself: `written` and `read` make a text of it and back. A text may come from an import, so
`read` judges every value.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

LENGTHS = (20, 45, 90)
"""Minutes to choose from."""
BUDGET = {1: 7, 2: 12, 3: 22}
"""Minutes for one answer by level, as the guide plans an interview of 45 minutes."""
MIX = {20: (1, 2), 45: (1, 2, 3), 90: (1, 1, 2, 2, 3, 3)}
"""The levels that fill an interview of so many minutes; what is left over is for one's own questions."""
LARGEST_SEED = 999_999
_LEAST_WEIGHT = 0.05
"""Even what is known well is asked now and then."""
_ID = re.compile(r"[0-9a-f]{12}")
_LATEST = 253_402_300_800.0
"""The year 10000, in seconds since 1970."""


@dataclass(frozen=True)
class Mock:
    """One mock interview. `questions` are keys in the order asked, `at` is the one shown now.

    `seconds` has the time used on each question that was shown; times are seconds since 1970, `finished` is
    None until the end. `seed` is None where the questions were chosen by hand. With `tickets` each answer is
    followed by a prediction of changed settings.
    """

    id: str
    minutes: int
    questions: tuple[str, ...]
    started: float
    at: str
    seed: int | None = None
    flags: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    finished: float | None = None
    tickets: bool = False

    @property
    def used(self) -> float:
        """Seconds used on all questions."""
        return sum(self.seconds.values())

    def attempt(self, question: str) -> str:
        """The id of the attempt that the answer to a question becomes; the same however often it is asked."""
        return f"{self.id}.{question}"


def draw(
    levels: Mapping[str, int], strength: Mapping[str, float], minutes: int, seed: int
) -> tuple[str, ...]:
    """Questions that fill the minutes, the easier levels first; of one level the weaker ones more often.

    `levels` has the level of each question; `strength` the expected share of points (0 to 1) of those that
    were scored, nothing of the others. The same seed draws the same questions as long as neither changes.
    Drawn without replacement with these weights (Efraimidis and Spirakis, "Weighted random sampling with a
    reservoir", 2006).
    """
    generator = random.Random(seed)
    rank = {
        name: generator.random() ** (1 / max(1 - strength.get(name, 0.0), _LEAST_WEIGHT))
        for name in sorted(levels)
    }
    chosen: list[str] = []
    for level in MIX[minutes]:
        left = [name for name in levels if levels[name] == level and name not in chosen]
        if left:
            chosen.append(max(left, key=rank.__getitem__))
    return tuple(sorted(chosen, key=lambda name: (levels[name], name)))


def read_seed(text: str) -> int | None:
    """A seed as it was typed: a whole number from 1 to LARGEST_SEED; None for anything else.

    >>> read_seed(" 42 "), read_seed("4.2")
    (42, None)
    """
    typed = text.strip()
    seed = int(typed) if typed.isdecimal() and len(typed) <= len(str(LARGEST_SEED)) else 0
    return seed if 1 <= seed <= LARGEST_SEED else None


def written(mock: Mock) -> str:
    """The text that `read` understands; the id is kept beside it."""
    return json.dumps({name: value for name, value in asdict(mock).items() if name != "id"})


def read(name: str, text: str) -> Mock | None:
    """The mock interview with the id `name` from its text; None for a text that is none."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict) or not _ID.fullmatch(name) or given.get("minutes") not in LENGTHS:
        return None
    questions = tuple(dict.fromkeys(_names(given.get("questions"))))
    finished, seed = given.get("finished"), given.get("seed")
    if (
        not questions
        or not _is_moment(given.get("started"))
        or not (finished is None or _is_moment(finished))
    ):
        return None
    seconds = given.get("seconds")
    return Mock(
        id=name,
        minutes=given["minutes"],
        questions=questions,
        started=given["started"],
        at=given["at"] if given.get("at") in questions else questions[0],
        seed=seed if type(seed) is int and 1 <= seed <= LARGEST_SEED else None,
        flags=tuple(flag for flag in _names(given.get("flags")) if flag in questions),
        seconds={
            key: float(value)
            for key, value in (seconds if isinstance(seconds, dict) else {}).items()
            if key in questions and _is_moment(value)
        },
        finished=finished,
        tickets=given.get("tickets") is True,
    )


def _names(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _is_moment(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < _LATEST
