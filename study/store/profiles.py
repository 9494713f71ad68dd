"""Who studies here. On loopback people pick a named profile; elsewhere a cookie or a login finds theirs.

    store.profiles.named_or_new("Ada")            # this machine
    store.profiles.for_identity(cookie, "Guest")  # a shared server; never among the named

Checks no password and reads no cookie: pages do, and must not list profiles to strangers.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass

from sqlalchemy import Connection, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from study.store import schema
from study.store.database import Database
from study.store.errors import StoreError
from study.store.plain import clean_text, new_id, now

MAX_NAME = 60
_TABLE = schema.profiles
_COLUMNS = (_TABLE.c.id, _TABLE.c.name, _TABLE.c.created)


@dataclass(frozen=True)
class Profile:
    """One person. `id` belongs into the session, never into an address or a page of somebody else."""

    id: str
    name: str
    created: float


class Profiles:
    """All profiles of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def named(self) -> tuple[Profile, ...]:
        """The named profiles, oldest first; those found by an identity are never listed."""
        statement = select(*_COLUMNS).where(_TABLE.c.key.startswith("name:", autoescape=True))
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(_TABLE.c.serial, _TABLE.c.created, _TABLE.c.id))
            return tuple(Profile(*row) for row in rows)

    def find(self, profile: str) -> Profile | None:
        """The profile with this id."""
        with self._database.read() as connection:
            row = connection.execute(select(*_COLUMNS).where(_TABLE.c.id == profile)).first()
        return Profile(*row) if row else None

    def create(self, name: str) -> Profile:
        """A new named profile; raises StoreError if the name is taken or no name."""
        name = checked_name(name)
        is_new, profile = self._find_or_create(_name_key(name), name)
        if not is_new:
            raise StoreError(
                f"There is a profile named {profile.name} already: choose another name.",
                key="store.name_taken",
                name=profile.name,
            )
        return profile

    def named_or_new(self, name: str) -> Profile:
        """The profile of this name, made if there is none; letter case does not matter."""
        name = checked_name(name)
        return self._find_or_create(_name_key(name), name)[1]

    def for_identity(self, identity: str, name: str) -> Profile:
        """The profile of a login or cookie, made if there is none. Only a hash of `identity` is kept."""
        return self._find_or_create(_identity_key(identity), checked_name(name))[1]

    def rename(self, profile: str, name: str) -> Profile:
        """Give a profile another name; raises StoreError if another has it."""
        name = checked_name(name)
        with self._database.write() as connection:
            lock_profile(connection, profile)
            by_id = _TABLE.c.id == profile
            key = connection.execute(select(_TABLE.c.key).where(by_id)).scalar_one()
            key = _name_key(name) if key.startswith("name:") else key
            try:
                connection.execute(update(_TABLE).where(by_id).values(name=name, key=key))
            except IntegrityError as error:
                raise StoreError(
                    f"There is a profile named {name} already: choose another name.",
                    key="store.name_taken",
                    name=name,
                ) from error
            return Profile(*connection.execute(select(*_COLUMNS).where(by_id)).one())

    def delete(self, profile: str) -> None:
        """Delete a profile with everything that belongs to it, out of the file too.

        What a file set aside as damaged, or an export, holds stays there.
        """
        with self._database.write() as connection:
            connection.execute(delete(_TABLE).where(_TABLE.c.id == profile))  # the rest by cascade
        self._database.forget_log()

    def _find_or_create(self, key: str, name: str) -> tuple[bool, Profile]:
        """The profile with this key, and whether it is a new one."""
        find = select(*_COLUMNS).where(_TABLE.c.key == key)
        with self._database.write() as connection:
            if row := connection.execute(find).first():
                return False, Profile(*row)
            profile = Profile(new_id(), name, now())
            try:
                with connection.begin_nested():
                    connection.execute(
                        insert(_TABLE).values(
                            id=profile.id,
                            key=key,
                            name=profile.name,
                            created=profile.created,
                            serial=next_serial(connection, _TABLE),
                        )
                    )
            except IntegrityError:  # PostgreSQL: another process was faster
                return False, Profile(*connection.execute(find).one())
            return True, profile


def checked_name(name: str) -> str:
    """The name as it is kept: one line, composed, without spaces around it. Raises StoreError."""
    name = unicodedata.normalize("NFC", " ".join(clean_text(name).split()))
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise StoreError(
            f"A name has 1 to {MAX_NAME} visible characters: choose another.", key="store.name", most=MAX_NAME
        )
    return name


def lock_profile(connection: Connection, profile: str) -> None:
    """Let one transaction at a time change what belongs to a profile. Raises StoreError if it is gone."""
    row = connection.execute(select(_TABLE.c.id).where(_TABLE.c.id == profile).with_for_update()).first()
    if row is None:
        raise StoreError(
            "This profile no longer exists: reload the page and choose one.", key="store.no_profile"
        )


def next_serial(connection: Connection, table: Table, profile: str | None = None) -> int:
    """The number that makes a new row of a profile (or a new profile) the newest."""
    newest = select(func.max(table.c.serial))
    if profile is not None:
        newest = newest.where(table.c.profile == profile)
    serial = connection.execute(newest).scalar()
    return serial + 1 if isinstance(serial, int) else 1


def _identity_key(identity: str) -> str:
    assert identity, "an empty identity would be shared by everybody"
    return "identity:" + hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()


def _name_key(name: str) -> str:
    return "name:" + unicodedata.normalize("NFC", name.casefold())
