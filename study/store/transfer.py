"""A person's data as one JSON file, and back: into any profile, of any database.

An import adds and never overwrites: drafts are reconciled by revision (the text that loses becomes a copy),
of two versions of one attempt the finished, else the later, stays, and the other's text becomes a copy
where the answer's draft has not got it. What was open here stays the newest. Of two versions of one
interview the longer line stays, and panels are joined; no link comes with them. All of a file enters,
or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, select

from study.store import schema, sound
from study.store.attempts import Attempt, add_attempts, put_on_top, read_attempts, replace_attempt
from study.store.database import Database
from study.store.drafts import (
    ANSWER,
    Copy,
    Draft,
    add_copies,
    add_drafts,
    copy_of,
    read_copies,
    read_drafts,
    reconciled,
)
from study.store.errors import StoreError
from study.store.interview_rows import (
    Event,
    Interview,
    add_interviews,
    read_events,
    read_interviews,
    replace_events,
)
from study.store.panels import Member, add_members, read_members
from study.store.plain import clean_text, new_id, now, whole_characters
from study.store.profiles import lock_profile
from study.store.shape import EXPORT_VERSION, FORMAT, read_export


@dataclass(frozen=True)
class Imported:
    """How many drafts, attempts and interviews of a file are in the profile now that were not, or not so,
    before.

    `repaired` counts entries of the file with a date in the future, or a time or revision out of all bounds.
    """

    drafts: int
    attempts: int
    repaired: int = 0
    interviews: int = 0


class Transfer:
    """Export and import for a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def export(self, profile: str) -> str:
        """All data of a profile as JSON text, as of one moment."""
        with self._database.read() as connection:
            name = connection.execute(
                select(schema.profiles.c.name).where(schema.profiles.c.id == profile)
            ).scalar()
            if name is None:
                raise StoreError(
                    "This profile no longer exists: reload the page and choose one.", key="store.no_profile"
                )
            content = {
                "format": FORMAT,
                "version": EXPORT_VERSION,
                "exported": now(),
                "profile": {"name": name},
                "drafts": _entries(read_drafts(connection, profile)),
                "copies": _entries(read_copies(connection, profile), without=("id",)),
                "attempts": _entries(read_attempts(connection, profile), without=("profile",)),
                "interviews": _interviews(connection, profile),
            }
        return whole_characters(json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1))

    def import_into(self, profile: str, data: str | bytes) -> Imported:
        """Add an exported file to a profile. Raises StoreError, and changes nothing, if it is broken.

        Others wait for the writing only: the file is read and mended before. Takes linear time.
        """
        file = _mended(profile, read_export(data), now())
        with self._database.write() as connection:
            lock_profile(connection, profile)
            return _add(connection, profile, file)


_KINDS = ("copies", "drafts", "attempts")
_MOMENTS = {"started", "changed", "finished"}
_MENDED = {*_MOMENTS, "seconds", "revision"}


Led = tuple[Interview, list[Event], list[Member]]
"""An interview of a file, its line, and its panel."""


@dataclass(frozen=True)
class _File:
    """What an exported file holds, each list from the oldest to the newest; `repaired` counts entries."""

    copies: list[Copy]
    drafts: list[Draft]
    attempts: list[Attempt]
    interviews: list[Led]
    repaired: int


def _mended(profile: str, content: dict[str, Any], moment: float) -> _File:
    """The content of a file; what nobody could go on from is set right."""
    kinds = {name: [_entry(entry, moment) for entry in content[name][::-1]] for name in _KINDS}
    attempts = [Attempt(profile=profile, **entry) for entry in kinds["attempts"]]
    return _File(
        [Copy(new_id(), **entry) for entry in kinds["copies"]],
        [Draft(**entry) for entry in kinds["drafts"]],
        sorted(attempts, key=lambda attempt: attempt.finished is None),  # what is open began last
        [_led(profile, entry, moment) for entry in content["interviews"][::-1]],
        sum(
            any(old[name] != new[name] for name in _MENDED & old.keys())
            for kind in _KINDS
            for old, new in zip(content[kind][::-1], kinds[kind], strict=True)
        ),
    )


def _entry(entry: dict[str, Any], moment: float) -> dict[str, Any]:
    """An entry as it is kept: no date in the future, no revision or time that cannot be counted on."""
    mended = entry | {"text": clean_text(entry["text"])}
    for name in _MOMENTS & entry.keys():
        if entry[name] is not None:
            mended[name] = min(entry[name], moment)
    if "revision" in entry:
        mended["revision"] = sound.revision_of(entry["revision"])
    if "seconds" in entry:
        mended["seconds"] = sound.seconds_of(entry["seconds"])
        mended |= {"ticks": tuple(entry["ticks"]), "help_used": tuple(entry["help_used"])}
    return mended


def _led(profile: str, entry: dict[str, Any], moment: float) -> Led:
    """An interview of a file with its line and its panel, all without a link."""
    events = [Event(**event | {"moment": min(event["moment"], moment)}) for event in entry["events"]]
    panel = [
        Member(profile, entry["id"], **each | {"name": clean_text(each["name"])}) for each in entry["panel"]
    ]
    rest = {name: value for name, value in entry.items() if name not in ("events", "panel")}
    rest |= {
        "candidate": clean_text(entry["candidate"]),
        "questions": tuple(entry["questions"]),
        "started": min(entry["started"], moment),
    }
    return Interview(profile=profile, **rest), events, panel


def _add(connection: Connection, profile: str, file: _File) -> Imported:
    """Reconcile a file with what the profile has, with a fixed number of questions to the database."""
    drafts = {(draft.question, draft.field): draft for draft in read_drafts(connection, profile)}
    stored = {attempt.id: attempt for attempt in read_attempts(connection, profile)}
    losers, count = _add_drafts(connection, profile, file.drafts, drafts)
    added = [attempt for attempt in file.attempts if attempt.id not in stored]
    replaced = []
    for attempt in file.attempts:
        if old := stored.get(attempt.id):
            older, newer = sorted((attempt, old), key=lambda each: (each.finished is not None, each.changed))
            draft = drafts.get((older.question, ANSWER))
            if not any(older.text in text for text in (newer.text, draft.text if draft else "")):
                losers.append(Copy(new_id(), older.question, ANSWER, older.text, older.changed))
            if newer is attempt:
                replaced.append(attempt)
                replace_attempt(connection, attempt)
    add_attempts(connection, profile, added)
    questions = {attempt.question for attempt in added}
    going_on = [
        attempt for attempt in stored.values() if attempt.finished is None and attempt.question in questions
    ]
    put_on_top(connection, profile, going_on[::-1])
    _add_copies(connection, profile, [*file.copies, *losers])
    led = _add_interviews(connection, profile, file.interviews)
    return Imported(count, len(added) + len(replaced), file.repaired, led)


def _add_interviews(connection: Connection, profile: str, given: list[Led]) -> int:
    """Add what is not here, and put a longer line in the place of a shorter; returns how many.

    Members of a panel that are not here are added too.
    """
    stored = {interview.id for interview in read_interviews(connection, profile)}
    lines = read_events(connection, profile)
    added = [each for each in given if each[0].id not in stored]
    longer = [
        each for each in given if each[0].id in stored and len(each[1]) > len(lines.get(each[0].id, ()))
    ]
    add_interviews(connection, profile, [(interview, events) for interview, events, _ in added])
    for interview, events, _ in longer:
        replace_events(connection, interview, events)
    panels = read_members(connection, profile)
    for interview, _, panel in given:
        here = {member.id for member in panels.get(interview.id, ())}
        add_members(connection, [member for member in panel if member.id not in here])
    return len(added) + len(longer)


def _add_drafts(
    connection: Connection, profile: str, given: list[Draft], drafts: dict[tuple[str, str], Draft]
) -> tuple[list[Copy], int]:
    """Reconcile drafts; `drafts` then has those that count. Returns the losers, and how many are new here."""
    losers: list[Copy] = []
    added: list[Draft] = []
    replaced: list[Draft] = []
    for draft in given:
        key = (draft.question, draft.field)
        old = drafts.get(key)
        drafts[key], loser = reconciled(old, draft, base=0)
        if loser is not None:
            losers.append(copy_of(loser))
        if drafts[key] is draft:
            (added if old is None else replaced).append(draft)
    add_drafts(connection, profile, added, new=True)
    add_drafts(connection, profile, replaced, new=False)
    return losers, len(added) + len(replaced)


def _add_copies(connection: Connection, profile: str, copies: list[Copy]) -> None:
    """Keep the texts that no copy has yet. To look for parts of texts would take quadratic time."""
    held = {(copy.question, copy.field, copy.text) for copy in read_copies(connection, profile)}
    new = {(copy.question, copy.field, copy.text): copy for copy in copies if copy.text}
    add_copies(connection, profile, [copy for key, copy in new.items() if key not in held])


def _interviews(connection: Connection, profile: str) -> list[dict[str, Any]]:
    """All interviews with their lines; a link opens something, so it stays here."""
    lines = read_events(connection, profile)
    kept, panels = read_interviews(connection, profile), read_members(connection, profile)
    links = ("link", "expires", "console_link", "console_expires", "found_by")
    entries = _entries(kept, without=("profile", *links))
    return [
        entry
        | {
            "events": _entries(lines.get(entry["id"], ())),
            "panel": _entries(
                panels.get(entry["id"], ()), without=("profile", "interview", "link", "expires")
            ),
        }
        for entry in entries
    ]


def _entries(
    items: Iterable[Draft | Copy | Attempt | Interview | Event | Member], without: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    return [{key: value for key, value in asdict(item).items() if key not in without} for item in items]
