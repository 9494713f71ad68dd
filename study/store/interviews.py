"""Interviews that somebody leads, and the line of what happened in each: events that are only ever added.

    interview = store.interviews.begin(profile.id, "Grace", 45, ("q06", "q13"))
    store.interviews.add(interview, "note", "q06", {"text": "counts query heads"})
    store.interviews.linked(link)  # the same one, for whoever has the unguessable link, until it expires

An event is of the interviewer's or of the candidate's doing. What the kinds mean, and which of them a
candidate may see, is study/interview.py's; here they are kept, in the order in which they came.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, func, insert, select, update

from study.store import schema, sound
from study.store.database import Database
from study.store.errors import StoreError
from study.store.plain import clean_text, new_id, now, plain
from study.store.profiles import checked_name, lock_profile, next_serial

LINK_SECONDS = 12 * 3600.0
"""A link opens the candidate's window for so long: a day of interviews."""
LINK_BYTES = 24
_ONE_STEP = 5.0
"""Seconds of typing that are one event: a line of each letter would be too long to look at."""
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
    """One interview: `questions` are keys in the order asked. `link` is None once nobody may open it."""

    profile: str
    id: str
    candidate: str
    minutes: int
    questions: tuple[str, ...]
    started: float
    finished: float | None = None
    link: str | None = field(default=None, repr=False)
    expires: float = 0.0


class Interviews:
    """All interviews of a store. Several windows and processes add to one line."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, profile: str, candidate: str, minutes: int, questions: Sequence[str]) -> Interview:
        """A new interview with a link. Raises StoreError where the candidate's name is none."""
        moment = now()
        interview = Interview(
            profile,
            new_id(),
            checked_name(candidate),
            minutes,
            tuple(questions),
            moment,
            link=_new_link(),
            expires=moment + LINK_SECONDS,
        )
        with self._database.write() as connection:
            lock_profile(connection, profile)
            add_interviews(connection, profile, [(interview, ())])
        return interview

    def of(self, profile: str) -> tuple[Interview, ...]:
        """All interviews that a person led, newest first."""
        with self._database.read() as connection:
            return read_interviews(connection, profile)

    def find(self, profile: str, interview: str) -> Interview | None:
        """One of a person's interviews, by its id."""
        with self._database.read() as connection:
            return _find(connection, and_(_TABLE.c.profile == profile, _TABLE.c.id == interview))

    def linked(self, link: str) -> Interview | None:
        """The interview that a link opens; None for one that nobody made, was replaced, or has expired."""
        if not link:
            return None
        with self._database.read() as connection:
            return _find(connection, and_(_TABLE.c.link == link, _TABLE.c.expires > now()))

    def relink(self, interview: Interview) -> Interview:
        """Give it another link; the one before opens nothing any more."""
        new = replace(interview, link=_new_link(), expires=now() + LINK_SECONDS)
        with self._database.write() as connection:
            _lock(connection, interview)
            values = {"link": new.link, "expires": new.expires}
            connection.execute(update(_TABLE).where(_is(interview)).values(values))
        return new

    def events(self, interview: Interview, *, kinds: Collection[str] | None = None) -> tuple[Event, ...]:
        """All that happened, or what is of these kinds, in the order in which it did."""
        with self._database.read() as connection:
            return read_events(connection, interview.profile, interview.id, kinds=kinds)[interview.id]

    def lines(
        self, profile: str, interviews: Collection[str], *, kinds: Collection[str]
    ) -> dict[str, tuple[Event, ...]]:
        """What happened of these kinds in several interviews of a person, by their ids."""
        with self._database.read() as connection:
            return read_events(connection, profile, *interviews, kinds=kinds)

    def stamp(self, interview: Interview, *, kinds: Collection[str] | None = None) -> tuple[object, ...]:
        """Numbers that change whenever an event (of these kinds) is added or goes on."""
        condition = _of(interview)
        if kinds is not None:
            condition = and_(condition, _EVENTS.c.kind.in_(kinds))
        numbers = select(func.count(), func.sum(_EVENTS.c.moment)).where(condition)
        with self._database.read() as connection:
            return tuple(connection.execute(numbers).one())

    def add(
        self, interview: Interview, kind: str, question: str = "", data: dict[str, Any] | None = None
    ) -> None:
        """Add an event, now. Raises StoreError if the interview is gone."""
        with self._database.write() as connection:
            _lock(connection, interview)
            _add(connection, interview, Event(now(), kind, question, plain(data or {})))

    def save_text(self, interview: Interview, kind: str, question: str, text: str, revision: int) -> None:
        """Add a text that is being typed. The newest revision counts; the others stay on the line.

        What is typed within a few seconds is one event.
        """
        text, revision, moment = clean_text(text), sound.revision_of(revision), now()
        with self._database.write() as connection:
            _lock(connection, interview)
            newest = _newest_text(connection, interview, kind, question)
            kept = newest.data if newest is not None else {}
            if revision <= sound.revision_of(kept.get("revision")):
                if text in sound.text_of(kept.get("text")):
                    return
                _add(connection, interview, _typed(moment, kind, question, text, revision, moment))
                return
            last = connection.execute(_last(interview)).mappings().first()
            since = sound.moment_of(kept.get("since"))
            if last is not None and newest == event_of(last) and 0 <= moment - since < _ONE_STEP:
                event = _typed(moment, kind, question, text, revision, since)
                at = and_(_of(interview), _EVENTS.c.serial == last["serial"])
                connection.execute(update(_EVENTS).where(at).values(moment=moment, data=event.data))
                return
            _add(connection, interview, _typed(moment, kind, question, text, revision, moment))

    def finish(self, interview: Interview, kind: str) -> None:
        """End it with an event of this kind; again changes nothing."""
        with self._database.write() as connection:
            _lock(connection, interview)
            stored = _find(connection, _is(interview))
            if stored is None or stored.finished is not None:
                return
            moment = now()
            connection.execute(update(_TABLE).where(_is(interview)).values(finished=moment))
            _add(connection, interview, Event(moment, kind))

    def delete(self, interview: Interview) -> None:
        """Delete it with all that happened in it, out of the file too."""
        with self._database.write() as connection:
            connection.execute(delete(_TABLE).where(_is(interview)))  # its events by cascade
        self._database.forget_log()


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
        connection.execute(insert(_TABLE).values(row | {"serial": serial}))
        if events:
            own = replace(interview, profile=profile)
            connection.execute(insert(_EVENTS), [_row(own, event, n) for n, event in enumerate(events, 1)])


def replace_events(connection: Connection, interview: Interview, events: Sequence[Event]) -> None:
    """Put a longer line of the same interview in the place of the stored one."""
    connection.execute(update(_TABLE).where(_is(interview)).values(finished=interview.finished))
    connection.execute(delete(_EVENTS).where(_of(interview)))
    connection.execute(insert(_EVENTS), [_row(interview, event, n) for n, event in enumerate(events, 1)])


def _new_link() -> str:
    return secrets.token_urlsafe(LINK_BYTES)


def _lock(connection: Connection, interview: Interview) -> None:
    """Let one transaction at a time add to it. Raises StoreError if somebody deleted it."""
    lock_profile(connection, interview.profile)
    if find_interview(connection, interview) is None:
        raise StoreError("This interview was deleted: begin another.", key="store.no_interview")


def find_interview(connection: Connection, interview: Interview) -> Interview | None:
    """It as it is stored; None if somebody deleted it."""
    return _find(connection, _is(interview))


def _find(connection: Connection, condition: ColumnElement[bool]) -> Interview | None:
    row = connection.execute(select(_TABLE).where(condition)).mappings().first()
    return interview_of(row) if row else None


def _newest_text(connection: Connection, interview: Interview, kind: str, question: str) -> Event | None:
    """The text of the highest revision."""
    texts = and_(_of(interview), _EVENTS.c.kind == kind, _EVENTS.c.question == question)
    rows = connection.execute(select(_EVENTS).where(texts).order_by(_EVENTS.c.serial)).mappings()
    found = [event_of(row) for row in rows]
    return max(found, key=lambda event: sound.revision_of(event.data.get("revision")), default=None)


def _last(interview: Interview) -> Any:
    return select(_EVENTS).where(_of(interview)).order_by(_EVENTS.c.serial.desc()).limit(1)


def _typed(moment: float, kind: str, question: str, text: str, revision: int, since: float) -> Event:
    return Event(moment, kind, question, {"text": text, "revision": revision, "since": since})


def _add(connection: Connection, interview: Interview, event: Event) -> None:
    newest = connection.execute(select(func.max(_EVENTS.c.serial)).where(_of(interview))).scalar()
    serial = newest + 1 if isinstance(newest, int) else 1
    connection.execute(insert(_EVENTS).values(_row(interview, event, serial)))


def _is(interview: Interview) -> ColumnElement[bool]:
    return and_(_TABLE.c.profile == interview.profile, _TABLE.c.id == interview.id)


def _of(interview: Interview) -> ColumnElement[bool]:
    return and_(_EVENTS.c.profile == interview.profile, _EVENTS.c.interview == interview.id)


def _row(interview: Interview, event: Event, serial: int) -> dict[str, Any]:
    own = {"profile": interview.profile, "interview": interview.id, "serial": serial}
    return own | {name: getattr(event, name) for name in ("moment", "kind", "question", "data")}


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
    )


def event_of(row: RowMapping) -> Event:
    return Event(
        sound.moment_of(row["moment"]),
        sound.text_of(row["kind"]),
        sound.text_of(row["question"]),
        sound.dictionary_of(row["data"]),
    )
