"""What the store keeps of the interviews that this person leads. Draws nothing.

Only pages of the interviewer import this; the candidate's window reads through window.py.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pages.ui.site import store
from pages.ui.site.question_list import questions
from questions import Question
from study import interview as led
from study.interview import Record, Released, record, released
from study.store import Event, Interview


@dataclass(frozen=True)
class Line:
    """An interview and all that happened in it, as of one moment."""

    interview: Interview
    events: tuple[Event, ...]
    now: float

    @property
    def shown(self) -> Released:
        """What the candidate sees."""
        return released(self.interview, self.events, self.now)

    def record(self, question: str) -> Record:
        """Everything about one question."""
        return record(self.interview, self.events, question, self.now)

    def until(self, count: int) -> Line:
        """The interview as it was after so many events."""
        events = self.events[:count]
        return Line(self.interview, events, events[-1].moment if events else self.interview.started)


def interviews() -> tuple[Interview, ...]:
    """All interviews of this person, the newest first, without those whose questions are all gone."""
    found = store.store().interviews.of(store.known_profile())
    return tuple(interview for interview in found if asked(interview))


def line(interview: Interview) -> Line:
    """The interview as it is now."""
    return Line(interview, store.store().interviews.events(interview), time.time())


def weighed(interviews: Sequence[Interview]) -> list[Line]:
    """Several interviews of this person, with what their scores are told from."""
    ids = [interview.id for interview in interviews]
    found = store.store().interviews.lines(store.known_profile(), ids, kinds=led.WEIGHED)
    now = time.time()
    return [Line(interview, found.get(interview.id, ()), now) for interview in interviews]


def asked(interview: Interview) -> list[Question]:
    """Its questions, but for those that the question list no longer has."""
    known = {question.key: question for question in questions() if question.written}
    return [known[key] for key in interview.questions if key in known]


def begin(candidate: str, minutes: int, keys: Sequence[str]) -> Interview:
    """Begin an interview. Raises StoreError, also where the name is none."""
    return store.store().interviews.begin(store.profile(), candidate, minutes, keys)


def relink(interview: Interview) -> None:
    """Make another link; the one before opens nothing any more."""
    store.store().interviews.relink(interview)


def open_console(interview: Interview) -> None:
    """Make a link that opens its console on another device; the one before opens nothing any more."""
    store.store().interviews.open_console(interview)


def close_console(interview: Interview) -> None:
    """Let no link open its console any more, also where it is on a screen already."""
    store.store().interviews.close_console(interview)


def is_shut_out(interview: Interview) -> bool:
    """Whether it was found by a link to its console that opens no longer."""
    link = interview.found_by
    return link is not None and store.store().interviews.by_console(link) is None


def show(interview: Interview, question: str) -> None:
    """Bring a question onto the candidate's screen."""
    _add(interview, led.SHOWN, question)


def pause(interview: Interview, *, on: bool) -> None:
    """Stop the clock, or let it go on."""
    _add(interview, led.PAUSED if on else led.RESUMED)


def release(interview: Interview, question: str, part: str, *, on: bool) -> None:
    """Let the candidate see a part of a question, or take it from the screen again."""
    _add(interview, led.RELEASED if on else led.WITHDRAWN, question, {"part": part})


def draw_ticket(interview: Interview, question: str, ticket: str) -> None:
    """Put a sealed ticket, by its text, before the candidate."""
    _add(interview, led.DRAWN, question, {"ticket": ticket})


def save_note(interview: Interview, question: str, text: str, revision: int) -> None:
    """Keep a note that is being typed."""
    store.store().interviews.save_text(interview, led.NOTING, question, text, revision)


def pin_note(interview: Interview, question: str) -> None:
    """Pin the note that was typed to this moment, and empty its field; nothing where it is empty."""
    text, revision = line(interview).record(question).noting
    if text.strip():
        _add(interview, led.NOTE, question, {"text": text.strip()})
        save_note(interview, question, "", revision + 1)


def tick(interview: Interview, question: str, rubric_line: str, *, on: bool) -> None:
    """Tick a line of the rubric, or take the tick away."""
    _add(interview, led.TICKED if on else led.UNTICKED, question, {"line": rubric_line})


def finish(interview: Interview) -> None:
    """End it for the candidate; notes and ticks may follow."""
    store.store().interviews.finish(interview, led.FINISHED)


def delete(interview: Interview) -> None:
    """Delete it with all that happened in it."""
    store.store().interviews.delete(interview)


def _add(interview: Interview, kind: str, question: str = "", data: dict[str, str] | None = None) -> None:
    store.store().interviews.add(interview, kind, question, data)
