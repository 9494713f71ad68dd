"""Interviews that somebody leads, and the line of what happened in each: events that are only ever added.

    interview = store.interviews.begin(profile.id, "Grace", 45, ("q06", "q13"))
    store.interviews.add(interview, "note", "q06", {"text": "counts query heads"})
    store.interviews.linked(link)  # the same one, for whoever has the unguessable link, until it expires

An event is of the interviewer's or of the candidate's doing. What the kinds mean, and which of them a
candidate may see, is study/interview.py's; here they are kept, in the order in which they came.

Another link opens the console on a second device. An interview that was found by it is read and added to
only while the link still opens: a device that was lent or lost is shut out at once, whatever it still shows.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from study.store import schema, sound
from study.store.database import Database
from study.store.errors import StoreError
from study.store.interview_rows import (
    Event,
    Interview,
    add_interviews,
    event_of,
    event_row,
    find_interview,
    find_where,
    is_interview,
    of_interview,
    read_events,
    read_interviews,
)
from study.store.plain import clean_text, new_id, now, plain
from study.store.profiles import checked_name, lock_profile

LINK_SECONDS = 12 * 3600.0
"""A link opens for so long: a day of interviews."""
LINK_BYTES = 24
_ONE_STEP = 5.0
"""Seconds of typing that are one event: a line of each letter would be too long to look at."""
_TABLE, _EVENTS = schema.interviews, schema.interview_events


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
            return find_where(connection, and_(_TABLE.c.profile == profile, _TABLE.c.id == interview))

    def linked(self, link: str) -> Interview | None:
        """The interview that a link opens; None for one that nobody made, was replaced, or has expired."""
        if not link:
            return None
        with self._database.read() as connection:
            return find_where(connection, and_(_TABLE.c.link == link, _TABLE.c.expires > now()))

    def relink(self, interview: Interview) -> Interview:
        """Give it another link; the one before opens nothing any more."""
        new = replace(interview, link=_new_link(), expires=now() + LINK_SECONDS)
        with self._database.write() as connection:
            _lock(connection, interview)
            values = {"link": new.link, "expires": new.expires}
            connection.execute(update(_TABLE).where(is_interview(interview)).values(values))
        return new

    def open_console(self, interview: Interview) -> Interview:
        """Give its console a link for another device; one before opens nothing any more."""
        return self._set_console(interview, _new_link(), now() + LINK_SECONDS)

    def close_console(self, interview: Interview) -> Interview:
        """Let the console be opened by no link."""
        return self._set_console(interview, None, 0.0)

    def by_console(self, link: str) -> Interview | None:
        """The interview whose console a link opens; None for one that was never made, closed, or expired."""
        if not link:
            return None
        with self._database.read() as connection:
            found = find_where(connection, _console_opens(link))
        return None if found is None else replace(found, found_by=link)

    def _set_console(self, interview: Interview, link: str | None, expires: float) -> Interview:
        with self._database.write() as connection:
            _lock(connection, interview)
            values = {"console_link": link, "console_expires": expires}
            connection.execute(update(_TABLE).where(is_interview(interview)).values(values))
        return replace(interview, console_link=link, console_expires=expires)

    def events(self, interview: Interview, *, kinds: Collection[str] | None = None) -> tuple[Event, ...]:
        """All that happened, or what is of these kinds, in the order in which it did."""
        with self._database.read() as connection:
            _check_way(connection, interview)
            return read_events(connection, interview.profile, interview.id, kinds=kinds)[interview.id]

    def lines(
        self, profile: str, interviews: Collection[str], *, kinds: Collection[str]
    ) -> dict[str, tuple[Event, ...]]:
        """What happened of these kinds in several interviews of a person, by their ids."""
        with self._database.read() as connection:
            return read_events(connection, profile, *interviews, kinds=kinds)

    def stamp(self, interview: Interview, *, kinds: Collection[str] | None = None) -> tuple[object, ...]:
        """Numbers that change whenever an event (of these kinds) is added or goes on."""
        condition = of_interview(interview)
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
                at = and_(of_interview(interview), _EVENTS.c.serial == last["serial"])
                connection.execute(update(_EVENTS).where(at).values(moment=moment, data=event.data))
                return
            _add(connection, interview, _typed(moment, kind, question, text, revision, moment))

    def finish(self, interview: Interview, kind: str) -> None:
        """End it with an event of this kind; again changes nothing."""
        with self._database.write() as connection:
            _lock(connection, interview)
            stored = find_where(connection, is_interview(interview))
            if stored is None or stored.finished is not None:
                return
            moment = now()
            connection.execute(update(_TABLE).where(is_interview(interview)).values(finished=moment))
            _add(connection, interview, Event(moment, kind))

    def delete(self, interview: Interview) -> None:
        """Delete it with all that happened in it, out of the file too."""
        with self._database.write() as connection:
            connection.execute(delete(_TABLE).where(is_interview(interview)))  # its events by cascade
        self._database.forget_log()


def _new_link() -> str:
    return secrets.token_urlsafe(LINK_BYTES)


def _lock(connection: Connection, interview: Interview) -> None:
    """Let one transaction at a time add to it. Raises StoreError if somebody deleted it."""
    lock_profile(connection, interview.profile)
    if find_interview(connection, interview) is None:
        raise StoreError("This interview was deleted: begin another.", key="store.no_interview")
    _check_way(connection, interview)


def _console_opens(link: str) -> ColumnElement[bool]:
    return and_(_TABLE.c.console_link == link, _TABLE.c.console_expires > now())


def _check_way(connection: Connection, interview: Interview) -> None:
    """Raise StoreError if it was found by a console link that opens no longer."""
    link = interview.found_by
    if link is None:
        return
    if find_where(connection, and_(is_interview(interview), _console_opens(link))) is None:
        raise StoreError(
            "This console was closed: make a new link for this device on the one where the interview began.",
            key="store.console_closed",
        )


def _newest_text(connection: Connection, interview: Interview, kind: str, question: str) -> Event | None:
    """The text of the highest revision."""
    texts = and_(of_interview(interview), _EVENTS.c.kind == kind, _EVENTS.c.question == question)
    rows = connection.execute(select(_EVENTS).where(texts).order_by(_EVENTS.c.serial)).mappings()
    found = [event_of(row) for row in rows]
    return max(found, key=lambda event: sound.revision_of(event.data.get("revision")), default=None)


def _last(interview: Interview) -> Any:
    return select(_EVENTS).where(of_interview(interview)).order_by(_EVENTS.c.serial.desc()).limit(1)


def _typed(moment: float, kind: str, question: str, text: str, revision: int, since: float) -> Event:
    return Event(moment, kind, question, {"text": text, "revision": revision, "since": since})


def _add(connection: Connection, interview: Interview, event: Event) -> None:
    newest = connection.execute(select(func.max(_EVENTS.c.serial)).where(of_interview(interview))).scalar()
    serial = newest + 1 if isinstance(newest, int) else 1
    connection.execute(insert(_EVENTS).values(event_row(interview, event, serial)))
