"""A person's data as one JSON file, and back: into any profile, of any database.

An import adds and never overwrites: drafts are reconciled by revision (the text that loses becomes a copy),
of two versions of one attempt the finished, else the later, stays, and the other's text becomes a copy
where no draft has it. All of a file enters, or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, select

from study.store import schema
from study.store.attempts import Attempt, get_attempt, put_attempt, read_attempts
from study.store.database import Database
from study.store.drafts import ANSWER, Copy, Draft, put_copy, put_draft, read_copies, read_drafts
from study.store.errors import StoreError
from study.store.plain import clean_text, new_id, now, whole_characters
from study.store.profiles import lock_profile
from study.store.shape import EXPORT_VERSION, FORMAT, read_export


@dataclass(frozen=True)
class Imported:
    """How many drafts and attempts of a file are in the profile now that were not, or not so, before."""

    drafts: int
    attempts: int


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
            }
        return whole_characters(json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1))

    def import_into(self, profile: str, data: str | bytes) -> Imported:
        """Add an exported file to a profile. Raises StoreError, and changes nothing, if it is broken."""
        content = read_export(data)
        with self._database.write() as connection:
            lock_profile(connection, profile)
            for entry in content["copies"]:
                text = clean_text(entry["text"])
                put_copy(connection, profile, Copy(new_id(), **{**entry, "text": text}), beside=None)
            return Imported(
                sum(_take_draft(connection, profile, entry) for entry in content["drafts"]),
                sum(_take_attempt(connection, profile, entry) for entry in content["attempts"]),
            )


def _entries(items: Iterable[Draft | Copy | Attempt], without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return [{key: value for key, value in asdict(item).items() if key not in without} for item in items]


def _take_draft(connection: Connection, profile: str, entry: dict[str, Any]) -> bool:
    """Reconcile a draft of a file with the stored one. True if the file's counts now."""
    draft = Draft(**{**entry, "text": clean_text(entry["text"])})
    return put_draft(connection, profile, draft, base=0).draft is draft


def _take_attempt(connection: Connection, profile: str, entry: dict[str, Any]) -> bool:
    """Reconcile an attempt of a file with the stored one. True if the file's counts now."""
    attempt = Attempt(
        profile=profile,
        **{
            **entry,
            "text": clean_text(entry["text"]),
            "ticks": tuple(entry["ticks"]),
            "help_used": tuple(entry["help_used"]),
        },
    )
    stored = get_attempt(connection, profile, attempt.id)
    if stored is None:
        put_attempt(connection, attempt)
        return True
    versions = (attempt, stored)
    older, newer = sorted(versions, key=lambda version: (version.finished is not None, version.changed))
    _keep_text(connection, older, newer)
    if newer is attempt:
        put_attempt(connection, attempt)
    return newer is attempt


def _keep_text(connection: Connection, older: Attempt, newer: Attempt) -> None:
    """Keep the older version's text as a copy, unless the newer one or the draft has it."""
    drafts = read_drafts(connection, older.profile, older.question)
    if not any(older.text in text for text in (newer.text, *(draft.text for draft in drafts))):
        copy = Copy(new_id(), older.question, ANSWER, older.text, older.changed)
        put_copy(connection, older.profile, copy, beside=None)
