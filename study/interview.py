"""An interview that somebody leads: what its events mean, and what of it a candidate may see.

An interview is a line of events (study/store/interviews.py); all that a page shows is read from it here:

    shown = released(interview, events, now)          # the candidate's window: nothing private is in it
    record(interview, events, "q06", now).notes       # the interviewer's: everything about one question

`released` reads events of PUBLIC kinds only and returns a frozen dataclass without a place for notes, ticks,
cues or rubric. A line may come from an import, so every value is judged. Keeps and draws nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from study.mock import BUDGET
from study.predictions import Answer
from study.store import Attempt, Event, Interview

CONSENTED, SHOWN, PAUSED, RESUMED, FINISHED = "consented", "shown", "paused", "resumed", "finished"
RELEASED, WITHDRAWN, DRAWN = "released", "withdrawn", "drawn"
DRAFT, TYPED, PREDICTED, MEASURED, RAN = "draft", "typed", "predicted", "measured", "ran"
NOTING, NOTE, TICKED, UNTICKED = "noting", "note", "ticked", "unticked"
PUBLIC = frozenset(
    {CONSENTED, SHOWN, PAUSED, RESUMED, FINISHED, RELEASED, WITHDRAWN, DRAWN}
    | {DRAFT, TYPED, PREDICTED, MEASURED, RAN}
)
"""What the candidate did, or what was done before the candidate's eyes."""
WEIGHED = PUBLIC - {DRAFT, TYPED, RAN} | {NOTE, TICKED, UNTICKED}
"""What a score is told from, without texts, most of a line's weight."""
PREDICT, LAB, REFERENCE = "predict", "lab", "reference"
PARTS = (PREDICT, LAB, REFERENCE)
"""What is released of a question, besides its hints."""
NUM_HINTS = 3
_CLOCK = {SHOWN, PAUSED, RESUMED, CONSENTED, FINISHED}


def hint(step: int) -> str:
    """The part that is the hint of this step, counted from 1; also what attempts call it."""
    return f"hint-{step}"


@dataclass(frozen=True)
class Work:
    """What a candidate did at one question. `measurements` also have, by "run:…", on what it was measured."""

    text: str = ""
    revision: int = 0
    typed: Mapping[str, str] = field(default_factory=dict)
    predictions: Mapping[str, Answer | None] = field(default_factory=dict)
    measurements: Mapping[str, Any] = field(default_factory=dict)
    runs: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Released:
    """All that the candidate's window may show. `at` is the question shown now, "" before the first.

    `seconds` is the time used on it; `parts` are released of it, "hint-1" and so on among them; `ticket` is
    the text of the sealed ticket that was drawn for it, "" where none was.
    """

    candidate: str
    minutes: int
    index: int
    count: int
    at: str
    consented: bool
    running: bool
    finished: bool
    seconds: float
    total: float
    parts: frozenset[str]
    ticket: str
    work: Work

    @property
    def hints(self) -> int:
        """How many hints are released."""
        return sum(hint(step) in self.parts for step in range(1, NUM_HINTS + 1))


@dataclass(frozen=True)
class Record:
    """One question as the interviewer has it.

    `noting` is the note that is being typed, and its revision; each of `notes` has its text in `data`.
    """

    question: str
    seconds: float
    parts: frozenset[str]
    ever_released: frozenset[str]
    work: Work
    noting: tuple[str, int]
    notes: tuple[Event, ...]
    ticks: frozenset[str]

    @property
    def asked(self) -> bool:
        """Whether it was shown, or anything was noted or ticked for it."""
        return bool(self.seconds or self.notes or self.ticks)


def released(interview: Interview, events: Iterable[Event], now: float) -> Released:
    """What the candidate may see at this moment (seconds since 1970)."""
    public = [event for event in events if event.kind in PUBLIC]
    at = shown_now(interview, public)
    seconds = seconds_used(public, now)
    return Released(
        candidate=interview.candidate,
        minutes=interview.minutes,
        index=interview.questions.index(at) + 1 if at else 0,
        count=len(interview.questions),
        at=at,
        consented=_happened(public, CONSENTED),
        running=is_running(public),
        finished=_happened(public, FINISHED),
        seconds=seconds.get(at, 0.0),
        total=sum(seconds.values()),
        parts=_parts(public, at),
        ticket=_ticket(public, at),
        work=_work(public, at),
    )


def record(interview: Interview, events: Sequence[Event], question: str, now: float) -> Record:
    """Everything about one question."""
    own = [event for event in events if event.question == question]
    ever = {str(event.data.get("part")) for event in own if event.kind == RELEASED}
    return Record(
        question=question,
        seconds=seconds_used(events, interview.finished or now).get(question, 0.0),
        parts=_parts(own, question),
        ever_released=frozenset(ever),
        work=_work(own, question),
        noting=_newest(own, NOTING),
        notes=tuple(event for event in own if event.kind == NOTE and isinstance(event.data.get("text"), str)),
        ticks=ticked(own),
    )


def as_attempt(interview: Interview, found: Record) -> Attempt:
    """The record in the shape of an attempt, for what draws or judges one; it is kept nowhere."""
    return attempt_of(
        found.work, found.question, ticks=found.ticks, parts=found.ever_released, seconds=found.seconds
    )


def attempt_of(
    work: Work,
    question: str,
    *,
    ticks: Collection[str] = (),
    parts: Collection[str] = (),
    seconds: float = 0.0,
) -> Attempt:
    """A candidate's work in the shape of an attempt of nobody's."""
    return Attempt(
        profile="",
        id=f"interview.{question}",
        question=question,
        started=0.0,
        changed=0.0,
        text=work.text,
        predictions=dict(work.predictions),
        measurements=dict(work.measurements),
        ticks=tuple(sorted(ticks)),
        help_used=tuple(sorted(part for part in parts if part not in (PREDICT, LAB))),
        seconds=seconds,
    )


def work_at(events: Iterable[Event], question: str) -> Work:
    """What the candidate did at one question."""
    return _work([event for event in events if event.kind in PUBLIC], question)


def ticked(events: Iterable[Event]) -> frozenset[str]:
    """The lines that are ticked after these events, all of one question."""
    ticks: set[str] = set()
    for event in events:
        if event.kind == TICKED:
            ticks.add(str(event.data.get("line")))
        elif event.kind == UNTICKED:
            ticks.discard(str(event.data.get("line")))
    return frozenset(ticks)


def shown_now(interview: Interview, events: Iterable[Event]) -> str:
    """The question that was shown last; "" before the first."""
    shown = [event.question for event in events if event.kind == SHOWN]
    return next((key for key in reversed(shown) if key in interview.questions), "")


def is_running(events: Iterable[Event]) -> bool:
    """Whether the clock runs: a question is shown, the candidate agreed, nobody has paused or ended it."""
    shown = consented = paused = finished = False
    for event in events:
        shown |= event.kind == SHOWN
        consented |= event.kind == CONSENTED
        finished |= event.kind == FINISHED
        paused = event.kind == PAUSED or (paused and event.kind not in (RESUMED, SHOWN))
    return shown and consented and not paused and not finished


def seconds_used(events: Iterable[Event], now: float) -> dict[str, float]:
    """The time used on each question until now. A clock that was set back counts nothing meanwhile."""
    used: dict[str, float] = {}
    past: list[Event] = []
    at, since = "", 0.0
    for event in (*events, Event(now, FINISHED)):
        if event.kind not in _CLOCK:
            continue
        if at and is_running(past):
            used[at] = used.get(at, 0.0) + max(0.0, event.moment - since)
        past.append(event)
        at = event.question if event.kind == SHOWN else at
        since = event.moment
    return used


def budget(level: int) -> int:
    """Minutes for one answer at a level, as in a mock interview."""
    return BUDGET[level]


def choose(levels: Mapping[str, int], minutes: int) -> tuple[str, ...]:
    """Of these questions, in their order, as many as fit the minutes; the first one always.

    >>> choose({"q01": 1, "q05": 1, "q06": 2}, 20)
    ('q01', 'q05')
    """
    chosen: list[str] = []
    left = minutes
    for key, level in levels.items():
        if not chosen or budget(level) <= left:
            chosen.append(key)
            left -= budget(level)
    return tuple(chosen)


def _happened(events: Iterable[Event], kind: str) -> bool:
    return any(event.kind == kind for event in events)


def _parts(events: Iterable[Event], question: str) -> frozenset[str]:
    parts: set[str] = set()
    for event in events:
        if event.question == question and event.kind == RELEASED:
            parts.add(str(event.data.get("part")))
        elif event.question == question and event.kind == WITHDRAWN:
            parts.discard(str(event.data.get("part")))
    return frozenset(parts)


def _ticket(events: Iterable[Event], question: str) -> str:
    drawn = [event for event in events if event.kind == DRAWN and event.question == question]
    return str(drawn[-1].data.get("ticket")) if drawn else ""


def _work(events: Iterable[Event], question: str) -> Work:
    own = [event for event in events if event.question == question]
    text, revision = _newest(own, DRAFT)
    typed: dict[str, str] = {}
    predictions: dict[str, Answer | None] = {}
    measurements: dict[str, Any] = {}
    runs: list[Event] = []
    for event in own:
        match event.kind, event.data:
            case "typed", {"fields": dict(fields)}:
                typed = {name: value for name, value in fields.items() if isinstance(value, str)}
            case "predicted", {"answers": dict(answers)}:
                predictions = {**_answers(answers), **predictions}  # the first answer stays
                typed = {}
            case "measured", {"name": str(name), "value": value}:
                measurements[name] = value
            case "ran", _:
                runs.append(event)
    return Work(text, revision, typed, predictions, measurements, tuple(runs))


def _newest(events: Iterable[Event], kind: str) -> tuple[str, int]:
    """The text of the highest revision, and that; empty where there is none."""
    newest = ("", 0)
    for event in events:
        match event.data:
            case {"text": str(text), "revision": int(revision)} if event.kind == kind:
                newest = (text, revision) if revision > newest[1] else newest
    return newest


def _answers(given: Mapping[str, Any]) -> dict[str, Answer | None]:
    return {
        name: value if isinstance(value, str) else float(value) if type(value) in (int, float) else None
        for name, value in given.items()
    }
