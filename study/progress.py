"""Where a person stands with a question, what comes next there, and how far they are with all of them.

Reads attempts and drafts as the store keeps them.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from study.review import review
from study.scoring import Points

if TYPE_CHECKING:
    from study.store import Attempt

Stage = Literal["new", "draft", "predicted", "measured", "reference", "scored"]
"""How far the attempt of now has come; "new" also where somebody has not begun to answer again."""
Step = Literal["answer", "predict", "lab", "reference", "score"]
"""What comes next, by the headings of the question's page."""
REFERENCE = "reference"
"""What an attempt's `help_used` calls the opened reference answer."""
MOCK = "mock"
"""What it calls a mock interview, where the answer was written; its text is no longer changed."""
_WORD = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|[^\W\u3400-\u9fff\uf900-\ufaff]+(?:['’.-]\w+)*")


@dataclass(frozen=True)
class Standing:
    """Where somebody stands with one question.

    `words` and `seconds` belong to the attempt of now and `step` is what comes next in it. `points` and
    `scored_at` (seconds since 1970) are those of the newest scored attempt, None before the first; `attempts`
    counts the scored ones. `changed` is when anything happened last, 0 if nothing did. `due` is when the next
    review is (`study.review`), None before the first score.
    """

    question: str
    stage: Stage = "new"
    step: Step = "answer"
    words: int = 0
    seconds: float = 0.0
    points: Points | None = None
    scored_at: float | None = None
    attempts: int = 0
    changed: float = 0.0
    due: float | None = None

    @property
    def unfinished(self) -> bool:
        """Whether something was begun and is still to be scored."""
        return self.stage not in ("new", "scored")

    def is_due(self, moment: float) -> bool:
        """Whether it is time to answer it again, and nobody does so already."""
        return self.stage == "scored" and self.due is not None and self.due <= moment


@dataclass(frozen=True)
class Summary:
    """How far somebody is: questions scored, of how many, and the median of their newest scores."""

    scored: int
    questions: int
    median: float | None


def count_words(text: str) -> int:
    """Words of a text; in Chinese each character counts, as an editor there counts them.

    >>> count_words("Fewer KV heads"), count_words("更少的 KV 头")
    (3, 5)
    """
    return len(_WORD.findall(text))


def is_fixed(attempt: Attempt) -> bool:
    """Whether the text of an attempt follows its draft no longer."""
    return attempt.finished is not None or REFERENCE in attempt.help_used or MOCK in attempt.help_used


def standing(
    question: str, attempts: Sequence[Attempt], draft: str = "", asked: Collection[str] = ()
) -> Standing:
    """Where somebody stands, from all attempts at one question (newest first) and the draft of the answer.

    `asked` holds the ids of the predictions that its page asks for.
    """
    scored = [attempt for attempt in attempts if attempt.finished is not None]
    current = attempts[0] if attempts and attempts[0].finished is None else None
    if current is not None and MOCK in current.help_used:
        draft = current.text
    last = scored[0] if scored else None
    stage = _stage(current, bool(scored), draft, asked)
    running = stage not in ("new", "scored")
    planned = review(scored)
    return Standing(
        question,
        stage,
        _step(stage, draft, asked),
        words=count_words(draft) if running else 0,
        seconds=current.seconds if current and running else 0.0,
        points=last.tier if last else None,
        scored_at=last.finished if last else None,
        attempts=len(scored),
        changed=max((attempt.changed for attempt in attempts), default=0.0),
        due=planned.due if planned else None,
    )


def summary(standings: Iterable[Standing]) -> Summary:
    """Count the scored questions; the median is None without one."""
    standings = tuple(standings)
    points = [each.points for each in standings if each.points is not None]
    return Summary(len(points), len(standings), statistics.median(points) if points else None)


def next_question(standings: Sequence[Standing], moment: float) -> Standing:
    """Where to go on: what was left unfinished last, else what is due longest, else what has no score yet,
    else the weakest.
    """
    unfinished = [each for each in standings if each.unfinished]
    if unfinished:
        return max(unfinished, key=lambda each: each.changed)
    due = [each for each in standings if each.is_due(moment)]
    if due:
        return min(due, key=lambda each: each.due or 0.0)
    unscored = (each for each in standings if each.points is None)
    return next(unscored, None) or min(standings, key=lambda each: (each.points, each.scored_at))


def _stage(current: Attempt | None, scored: bool, draft: str, asked: Collection[str]) -> Stage:
    """A finished attempt leaves its text in the draft, so a draft counts only before or beside one."""
    if current is None:
        return "scored" if scored else "draft" if draft.strip() else "new"
    if REFERENCE in current.help_used:
        return "reference"
    given = [current.predictions[name] for name in asked if name in current.predictions]
    if asked and len(given) == len(asked):
        wanted = {name for name in asked if current.predictions[name] is not None}
        return "measured" if wanted <= current.measurements.keys() else "predicted"
    begun = draft.strip() or given or current.help_used
    return "draft" if begun else "scored" if scored else "new"


def _step(stage: Stage, draft: str, asked: Collection[str]) -> Step:
    if stage == "draft" and draft.strip() and asked:
        return "predict"
    steps: dict[Stage, Step] = {"predicted": "lab", "measured": "reference", "reference": "score"}
    return steps.get(stage, "answer")
