"""What is being typed: one text per profile, question and field, reconciled by revision.

The editor counts its revisions up. The newer revision wins; an older or equal one never overwrites. A text
that loses, and is not part of the one that won, is kept as a copy until somebody discards it: nothing is
lost. A revision beyond sound.LARGEST_REVISION leaves no room to count on, and is lowered wherever it is met.

    saved = store.drafts.save(profile.id, "q06", "answer", "Fewer KV heads", revision=7, base=6)
    saved.accepted  # False: saved.draft is newer; show it, and continue from saved.draft.revision

Merges no texts and shows nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)

from study.store import schema, sound
from study.store.database import Database
from study.store.errors import StoreError
from study.store.plain import clean_text, new_id, now
from study.store.profiles import lock_profile, next_serial

ANSWER = "answer"
"""The field of the answer to a question, which is also the text of an attempt."""
MAX_REVISION = 2**53 - 1
"""The largest whole number that a browser counts exactly."""


@dataclass(frozen=True)
class Draft:
    """The text that counts. `changed` is when the server took it, in seconds since 1970."""

    question: str
    field: str
    text: str
    revision: int
    changed: float


@dataclass(frozen=True)
class Copy:
    """A text that lost against another revision of its draft."""

    id: str
    question: str
    field: str
    text: str
    changed: float


@dataclass(frozen=True)
class Saved:
    """What became of a save: the draft that counts now, and whether it has the text that was given."""

    draft: Draft
    accepted: bool


class Drafts:
    """All drafts of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self, profile: str, question: str, field: str, text: str, revision: int, *, base: int | None = None
    ) -> Saved:
        """Keep a text, by the rule above.

        `base` is the revision that this editor last got from the store. If the store has moved on since,
        the text there was written elsewhere: a newer revision still wins, and that text becomes a copy.
        """
        _check_revision(revision)
        draft = Draft(question, field, clean_text(text), sound.revision_of(revision), now())
        with self._database.write() as connection:
            lock_profile(connection, profile)
            return put_draft(connection, profile, draft, base)

    def get(self, profile: str, question: str, field: str) -> Draft | None:
        """The draft that counts, or None."""
        with self._database.read() as connection:
            return _get(connection, profile, question, field)

    def of(self, profile: str, question: str | None = None) -> tuple[Draft, ...]:
        """All drafts of a profile, or those of one question."""
        with self._database.read() as connection:
            return read_drafts(connection, profile, question)

    def texts(self, profile: str, field: str) -> dict[str, str]:
        """The texts of one field, by question."""
        columns = schema.drafts.c
        own = select(columns.question, columns.text).where(columns.profile == profile, columns.field == field)
        with self._database.read() as connection:
            return {question: sound.text_of(text) for question, text in connection.execute(own)}

    def stamp(self, profile: str, field: str) -> tuple[object, ...]:
        """Numbers that change whenever one of the profile's drafts of this field does."""
        columns = schema.drafts.c
        numbers = (func.count(), func.sum(columns.changed), func.sum(columns.revision))
        own = select(*numbers).where(columns.profile == profile, columns.field == field)
        with self._database.read() as connection:
            return tuple(connection.execute(own).one())

    def copies(self, profile: str, question: str | None = None) -> tuple[Copy, ...]:
        """The texts that lost, newest first."""
        with self._database.read() as connection:
            return read_copies(connection, profile, question)

    def discard_copy(self, profile: str, copy: str) -> None:
        """Delete one copy, by its id."""
        table = schema.copies
        with self._database.write() as connection:
            connection.execute(delete(table).where(table.c.profile == profile, table.c.id == copy))


def reconciled(old: Draft | None, new: Draft, base: int | None) -> tuple[Draft, Draft | None]:
    """The draft that counts, and the one whose text has to be kept as a copy, if any."""
    if old is None:
        return new, None
    if new.revision <= old.revision:
        return old, None if new.text in old.text else new
    from_elsewhere = base is not None and base != old.revision
    return new, old if from_elsewhere and old.text not in new.text else None


def put_draft(connection: Connection, profile: str, new: Draft, base: int | None) -> Saved:
    """Reconcile a draft with the stored one, inside a transaction that has locked the profile."""
    old = _get(connection, profile, new.question, new.field)
    draft, loser = reconciled(old, new, base)
    if loser is not None:
        _put_copy(connection, profile, copy_of(loser))
    if draft is new:
        add_drafts(connection, profile, [new], new=old is None)
    return Saved(draft, draft.text == new.text)


def add_drafts(connection: Connection, profile: str, drafts: Sequence[Draft], *, new: bool) -> None:
    """Insert drafts, or replace stored ones, inside a transaction that has locked the profile."""
    table = schema.drafts
    for draft in () if new else drafts:
        connection.execute(
            update(table)
            .where(_is(table, profile, draft.question, draft.field))
            .values(text=draft.text, revision=draft.revision, changed=draft.changed)
        )
    if new and drafts:
        connection.execute(insert(table), [asdict(draft) | {"profile": profile} for draft in drafts])


def _put_copy(connection: Connection, profile: str, copy: Copy) -> None:
    """Keep a text unless it is part of another copy; copies that are part of it go."""
    table = schema.copies
    same = _is(table, profile, copy.question, copy.field)
    rows = connection.execute(select(table.c.id, table.c.text).where(same)).all()
    others = [(row.id, sound.text_of(row.text)) for row in rows]
    if any(copy.text in text for _, text in others):
        return
    parts = [name for name, text in others if text in copy.text]
    connection.execute(delete(table).where(table.c.profile == profile, table.c.id.in_(parts)))
    add_copies(connection, profile, [copy])


def add_copies(connection: Connection, profile: str, copies: Sequence[Copy]) -> None:
    """Insert copies, the last of them the newest, inside a transaction that has locked the profile."""
    if copies:
        first = next_serial(connection, schema.copies, profile)
        rows = [asdict(copy) | {"profile": profile, "serial": n} for n, copy in enumerate(copies, first)]
        connection.execute(insert(schema.copies), rows)


def read_drafts(connection: Connection, profile: str, question: str | None = None) -> tuple[Draft, ...]:
    """Drafts in the order of question and field."""
    table = schema.drafts
    statement = _select(table, profile, question).order_by(table.c.question, table.c.field)
    return tuple(map(_draft, connection.execute(statement)))


def read_copies(connection: Connection, profile: str, question: str | None = None) -> tuple[Copy, ...]:
    """Copies, newest first."""
    table = schema.copies
    statement = _select(table, profile, question).order_by(table.c.serial.desc(), table.c.id)
    return tuple(
        Copy(row.id, row.question, row.field, sound.text_of(row.text), sound.moment_of(row.changed))
        for row in connection.execute(statement)
    )


def _get(connection: Connection, profile: str, question: str, field: str) -> Draft | None:
    table = schema.drafts
    row = connection.execute(select(table).where(_is(table, profile, question, field))).first()
    return _draft(row) if row else None


def _draft(row: Row[Any]) -> Draft:
    """The draft of a row, each value judged again."""
    return Draft(
        row.question,
        row.field,
        sound.text_of(row.text),
        sound.revision_of(row.revision),
        sound.moment_of(row.changed),
    )


def _is(table: Table, profile: str, question: str, field: str) -> ColumnElement[bool]:
    return and_(table.c.profile == profile, table.c.question == question, table.c.field == field)


def _select(table: Table, profile: str, question: str | None) -> Select[tuple[object, ...]]:
    statement = select(table).where(table.c.profile == profile)
    return statement if question is None else statement.where(table.c.question == question)


def copy_of(draft: Draft) -> Copy:
    """A copy with the text of a draft."""
    return Copy(new_id(), draft.question, draft.field, draft.text, draft.changed)


def _check_revision(revision: int) -> None:
    if isinstance(revision, bool) or not isinstance(revision, int) or not 1 <= revision <= MAX_REVISION:
        raise StoreError(
            f"A revision is a whole number from 1 to {MAX_REVISION}: reload the page.",
            key="store.revision",
            most=MAX_REVISION,
        )
