"""What is being typed: one text per profile, question and field, reconciled by revision.

The editor counts its revisions up. The newer revision wins; an older or equal one never overwrites. A text
that loses, and is not part of the one that won, is kept as a copy until somebody discards it: nothing is
lost.

    saved = store.drafts.save(profile.id, "q06", "answer", "Fewer KV heads", revision=7, base=6)
    saved.accepted  # False: saved.draft is newer; show it, and continue from saved.draft.revision

Merges no texts and shows nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, insert, select, update

from study.store import schema
from study.store.database import Database
from study.store.errors import StoreError
from study.store.plain import clean_text, new_id, now
from study.store.profiles import lock_profile

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
        draft = Draft(question, field, clean_text(text), revision, now())
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

    def copies(self, profile: str, question: str | None = None) -> tuple[Copy, ...]:
        """The texts that lost, newest first."""
        with self._database.read() as connection:
            return read_copies(connection, profile, question)

    def discard_copy(self, profile: str, copy: str) -> None:
        """Delete one copy, by its id."""
        table = schema.copies
        with self._database.write() as connection:
            connection.execute(delete(table).where(table.c.profile == profile, table.c.id == copy))


def put_draft(connection: Connection, profile: str, new: Draft, base: int | None) -> Saved:
    """Reconcile a draft with the stored one, inside a transaction that has locked the profile."""
    table = schema.drafts
    old = _get(connection, profile, new.question, new.field)
    if old is None:
        connection.execute(insert(table).values(profile=profile, **asdict(new)))
        return Saved(new, True)
    if new.revision <= old.revision:
        if new.text != old.text:
            put_copy(connection, profile, _copy(new), beside=old.text)
        return Saved(old, new.text == old.text)
    if base is not None and base != old.revision:
        put_copy(connection, profile, _copy(old), beside=new.text)
    connection.execute(
        update(table)
        .where(_is(table, profile, new.question, new.field))
        .values(text=new.text, revision=new.revision, changed=new.changed)
    )
    return Saved(new, True)


def put_copy(connection: Connection, profile: str, copy: Copy, *, beside: str | None) -> None:
    """Keep a text unless it is part of `beside` or of another copy; copies that are part of it go."""
    table = schema.copies
    if not copy.text or (beside is not None and copy.text in beside):
        return
    same = _is(table, profile, copy.question, copy.field)
    others = connection.execute(select(table.c.id, table.c.text).where(same)).all()
    if any(copy.text in other.text for other in others):
        return
    parts = [other.id for other in others if other.text in copy.text]
    connection.execute(delete(table).where(table.c.profile == profile, table.c.id.in_(parts)))
    connection.execute(insert(table).values(profile=profile, **asdict(copy)))


def read_drafts(connection: Connection, profile: str, question: str | None = None) -> tuple[Draft, ...]:
    """Drafts in the order of question and field."""
    table = schema.drafts
    statement = _select(table, profile, question).order_by(table.c.question, table.c.field)
    return tuple(
        Draft(row.question, row.field, row.text, row.revision, row.changed)
        for row in connection.execute(statement)
    )


def read_copies(connection: Connection, profile: str, question: str | None = None) -> tuple[Copy, ...]:
    """Copies, newest first."""
    table = schema.copies
    statement = _select(table, profile, question).order_by(table.c.changed.desc(), table.c.id)
    return tuple(
        Copy(row.id, row.question, row.field, row.text, row.changed) for row in connection.execute(statement)
    )


def _get(connection: Connection, profile: str, question: str, field: str) -> Draft | None:
    table = schema.drafts
    row = connection.execute(select(table).where(_is(table, profile, question, field))).first()
    return Draft(question, field, row.text, row.revision, row.changed) if row else None


def _is(table: Table, profile: str, question: str, field: str) -> ColumnElement[bool]:
    return and_(table.c.profile == profile, table.c.question == question, table.c.field == field)


def _select(table: Table, profile: str, question: str | None) -> Select[tuple[object, ...]]:
    statement = select(table).where(table.c.profile == profile)
    return statement if question is None else statement.where(table.c.question == question)


def _copy(draft: Draft) -> Copy:
    return Copy(new_id(), draft.question, draft.field, draft.text, draft.changed)


def _check_revision(revision: int) -> None:
    if isinstance(revision, bool) or not isinstance(revision, int) or not 1 <= revision <= MAX_REVISION:
        raise StoreError(f"A revision is a whole number from 1 to {MAX_REVISION}: reload the page.")
