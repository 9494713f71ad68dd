"""Interviews and their events as rows: read and written within a transaction that somebody else began.

What comes out is judged again (sound.py); links stay out of every representation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, insert, select, update

from study.store import schema, sound
from study.store.profiles import next_serial

_TABLE, _EVENTS = schema.interviews, schema.interview_events


@dataclass(frozen=True)
class Event:
    """Something that happened, at a moment in seconds since 1970; `question` is empty where it is of none."""

    moment: float
    kind: str
    question: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Interview:
    """One interview: `questions` are keys in the order asked.

    `link` opens the candidate's window, `console_link` the console on another device; None where nobody may.
    `found_by` is the console link through which it was found, if it was: it must still open whenever
    something is read or added (interviews.py).
    """

    profile: str
    id: str
    candidate: str
    minutes: int
    questions: tuple[str, ...]
    started: float
    finished: float | None = None
    link: str | None = field(default=None, repr=False)
    expires: float = 0.0
    console_link: str | None = field(default=None, repr=False)
    console_expires: float = 0.0
    found_by: str | None = field(default=None, repr=False, compare=False)


def read_interviews(connection: Connection, profile: str) -> tuple[Interview, ...]:
    """Interviews of a profile, newest first."""
    statement = select(_TABLE).where(_TABLE.c.profile == profile).order_by(_TABLE.c.serial.desc())
    return tuple(map(interview_of, connection.execute(statement).mappings()))


def read_events(
    connection: Connection, profile: str, *interviews: str, kinds: Collection[str] | None = None
) -> dict[str, tuple[Event, ...]]:
    """The events of all interviews of a profile, or of these, by interview; these are there without any."""
    statement = select(_EVENTS).where(_EVENTS.c.profile == profile).order_by(_EVENTS.c.serial)
    if interviews:
        statement = statement.where(_EVENTS.c.interview.in_(interviews))
    if kinds is not None:
        statement = statement.where(_EVENTS.c.kind.in_(kinds))
    found: dict[str, list[Event]] = {interview: [] for interview in interviews}
    for row in connection.execute(statement).mappings():
        found.setdefault(row["interview"], []).append(event_of(row))
    return {name: tuple(events) for name, events in found.items()}


def add_interviews(
    connection: Connection, profile: str, interviews: Sequence[tuple[Interview, Sequence[Event]]]
) -> None:
    """Insert interviews with their events, the last the newest, while the profile is locked."""
    first = next_serial(connection, _TABLE, profile)
    for serial, (interview, events) in enumerate(interviews, first):
        row = asdict(interview) | {"profile": profile, "questions": list(interview.questions)}
        del row["found_by"]
        connection.execute(insert(_TABLE).values(row | {"serial": serial}))
        if events:
            own = replace(interview, profile=profile)
            connection.execute(
                insert(_EVENTS), [event_row(own, event, n) for n, event in enumerate(events, 1)]
            )


def replace_events(connection: Connection, interview: Interview, events: Sequence[Event]) -> None:
    """Put a longer line of the same interview in the place of the stored one."""
    connection.execute(update(_TABLE).where(is_interview(interview)).values(finished=interview.finished))
    connection.execute(delete(_EVENTS).where(of_interview(interview)))
    connection.execute(insert(_EVENTS), [event_row(interview, event, n) for n, event in enumerate(events, 1)])


def find_interview(connection: Connection, interview: Interview) -> Interview | None:
    """It as it is stored; None if somebody deleted it."""
    return find_where(connection, is_interview(interview))


def find_where(connection: Connection, condition: ColumnElement[bool]) -> Interview | None:
    """The one interview of which this is true."""
    row = connection.execute(select(_TABLE).where(condition)).mappings().first()
    return interview_of(row) if row else None


def event_row(interview: Interview, event: Event, serial: int) -> dict[str, Any]:
    """An event as the row of this number on the interview's line."""
    own = {"profile": interview.profile, "interview": interview.id, "serial": serial}
    return own | {name: getattr(event, name) for name in ("moment", "kind", "question", "data")}


def is_interview(interview: Interview) -> ColumnElement[bool]:
    """Its row among the interviews."""
    return and_(_TABLE.c.profile == interview.profile, _TABLE.c.id == interview.id)


def of_interview(interview: Interview) -> ColumnElement[bool]:
    """Its rows among the events."""
    return and_(_EVENTS.c.profile == interview.profile, _EVENTS.c.interview == interview.id)


def interview_of(row: RowMapping) -> Interview:
    """The interview of a row, each value judged again."""
    return Interview(
        profile=row["profile"],
        id=row["id"],
        candidate=sound.text_of(row["candidate"]),
        minutes=row["minutes"] if type(row["minutes"]) is int else 0,
        questions=sound.identifiers_of(row["questions"]),
        started=sound.moment_of(row["started"]),
        finished=sound.moment_of(row["finished"]) if row["finished"] is not None else None,
        link=sound.text_of(row["link"]) or None,
        expires=sound.moment_of(row["expires"]),
        console_link=sound.text_of(row["console_link"]) or None,
        console_expires=sound.moment_of(row["console_expires"]),
    )


def event_of(row: RowMapping) -> Event:
    """The event of a row, each value judged again."""
    return Event(
        sound.moment_of(row["moment"]),
        sound.text_of(row["kind"]),
        sound.text_of(row["question"]),
        sound.dictionary_of(row["data"]),
    )
