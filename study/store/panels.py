"""Panels: several interviewers who tick the lines of one interview, each by an own link, blind to the others.

    member = store.panels.invite(interview, "Barbara")
    interview, member = store.panels.linked(member.link)
    store.panels.tick(member, "q06", "byte-formula", on=True)
    store.panels.hand_in(member)      # from now on these ticks stay as they are

Who may see whose ticks, and when, is study/panel.py's; here they are kept.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, insert, select, update

from study.store import schema, sound
from study.store.database import Database
from study.store.errors import StoreError
from study.store.interview_rows import Event, Interview, event_of, find_interview, interview_of
from study.store.interviews import LINK_BYTES, LINK_SECONDS
from study.store.plain import new_id, now
from study.store.profiles import checked_name, lock_profile, next_serial

MOST_MEMBERS = 12
_TABLE = schema.panel_members


@dataclass(frozen=True)
class Member:
    """One interviewer of a panel. `ticks` are lines by question; `handed` is the moment of handing in."""

    profile: str
    interview: str
    id: str
    name: str
    ticks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    handed: float | None = None
    link: str | None = field(default=None, repr=False)
    expires: float = 0.0


class Panels:
    """The panels of all interviews of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def invite(self, interview: Interview, name: str) -> Member:
        """A new member with a link. Raises StoreError where the name is none or the panel is full."""
        member = Member(
            interview.profile,
            interview.id,
            new_id(),
            checked_name(name),
            link=secrets.token_urlsafe(LINK_BYTES),
            expires=now() + LINK_SECONDS,
        )
        with self._database.write() as connection:
            lock_profile(connection, interview.profile)
            if find_interview(connection, interview) is None:
                raise StoreError("This interview was deleted: begin another.", key="store.no_interview")
            if len(read_members(connection, interview.profile).get(interview.id, ())) >= MOST_MEMBERS:
                raise StoreError(
                    f"A panel has at most {MOST_MEMBERS} members besides you: remove one first.",
                    key="store.full_panel",
                    most=MOST_MEMBERS,
                )
            add_members(connection, [member])
        return member

    def of(self, interview: Interview) -> tuple[Member, ...]:
        """The members of an interview's panel, in the order in which they were invited."""
        with self._database.read() as connection:
            return read_members(connection, interview.profile).get(interview.id, ())

    def handed_in(self) -> tuple[Member, ...]:
        """All members of all panels of this database who have handed in, for what is told of lines alone."""
        with self._database.read() as connection:
            rows = connection.execute(select(_TABLE).where(_TABLE.c.handed.is_not(None))).mappings()
            return tuple(map(_member, rows))

    def finished(self, kinds: Collection[str]) -> tuple[tuple[Interview, tuple[Event, ...]], ...]:
        """All interviews of this database that are over, with their events of these kinds."""
        over = select(schema.interviews).where(schema.interviews.c.finished.is_not(None))
        told = schema.interview_events
        lines = select(told).where(told.c.kind.in_(kinds)).order_by(told.c.serial)
        found: dict[tuple[str, str], list[Event]] = {}
        with self._database.read() as connection:
            interviews = list(map(interview_of, connection.execute(over).mappings()))
            for row in connection.execute(lines).mappings():
                found.setdefault((row["profile"], row["interview"]), []).append(event_of(row))
        return tuple((each, tuple(found.get((each.profile, each.id), ()))) for each in interviews)

    def linked(self, link: str) -> tuple[Interview, Member] | None:
        """What a link opens; None for one that nobody made, or that has expired."""
        if not link:
            return None
        with self._database.read() as connection:
            member = _find(connection, and_(_TABLE.c.link == link, _TABLE.c.expires > now()))
            if member is None:
                return None
            found = find_interview(connection, Interview(member.profile, member.interview, "", 0, (), 0.0))
            return None if found is None else (found, member)

    def tick(self, member: Member, question: str, line: str, *, on: bool) -> Member:
        """Tick a line, or take the tick away. Raises StoreError after handing in."""
        with self._database.write() as connection:
            stored = _unfinished(connection, member)
            lines = [each for each in stored.ticks.get(question, ()) if each != line]
            ticks = {**stored.ticks, question: (*lines, line) if on else tuple(lines)}
            _change(connection, member, ticks={name: list(each) for name, each in ticks.items()})
        return replace(stored, ticks=ticks)

    def hand_in(self, member: Member) -> Member:
        """Make the ticks final. Raises StoreError if they are already."""
        with self._database.write() as connection:
            stored = _unfinished(connection, member)
            moment = now()
            _change(connection, member, handed=moment)
        return replace(stored, handed=moment)

    def remove(self, member: Member) -> None:
        """Take somebody off the panel, with all ticks."""
        with self._database.write() as connection:
            connection.execute(delete(_TABLE).where(_is(member)))
        self._database.forget_log()


def read_members(connection: Connection, profile: str) -> dict[str, tuple[Member, ...]]:
    """The members of all panels of a profile, by interview."""
    statement = select(_TABLE).where(_TABLE.c.profile == profile).order_by(_TABLE.c.serial)
    found: dict[str, tuple[Member, ...]] = {}
    for row in connection.execute(statement).mappings():
        found[row["interview"]] = (*found.get(row["interview"], ()), _member(row))
    return found


def add_members(connection: Connection, members: Sequence[Member]) -> None:
    """Insert members, the last the newest, while their profile is locked."""
    for member in members:
        row = {name: getattr(member, name) for name in _COLUMNS}
        row["ticks"] = {question: list(lines) for question, lines in member.ticks.items()}
        row["serial"] = next_serial(connection, _TABLE, member.profile)
        connection.execute(insert(_TABLE).values(row))


_COLUMNS = ("profile", "interview", "id", "name", "handed", "link", "expires")


def _unfinished(connection: Connection, member: Member) -> Member:
    """The member as stored, locked. Raises StoreError if they are gone or have handed in."""
    lock_profile(connection, member.profile)
    stored = _find(connection, _is(member))
    if stored is None:
        raise StoreError("You are not on this panel any more: ask the interviewer.", key="store.no_member")
    if stored.handed is not None:
        raise StoreError("You have handed in: your ticks stay as they are.", key="store.handed_in")
    return stored


def _change(connection: Connection, member: Member, **values: Any) -> None:
    connection.execute(update(_TABLE).where(_is(member)).values(values))


def _find(connection: Connection, condition: ColumnElement[bool]) -> Member | None:
    row = connection.execute(select(_TABLE).where(condition)).mappings().first()
    return _member(row) if row else None


def _is(member: Member) -> ColumnElement[bool]:
    own = _TABLE.c.profile == member.profile, _TABLE.c.interview == member.interview
    return and_(*own, _TABLE.c.id == member.id)


def _member(row: RowMapping) -> Member:
    """The member of a row, each value judged again."""
    ticks = sound.dictionary_of(row["ticks"])
    return Member(
        profile=row["profile"],
        interview=row["interview"],
        id=row["id"],
        name=sound.text_of(row["name"]),
        ticks={question: sound.identifiers_of(lines) for question, lines in ticks.items()},
        handed=sound.moment_of(row["handed"]) if row["handed"] is not None else None,
        link=sound.text_of(row["link"]) or None,
        expires=sound.moment_of(row["expires"]),
    )
