"""The connection to the database: how it is opened, and the two kinds of transaction.

SQLite runs in WAL with a busy timeout, and a writing transaction takes its place at once, so that many
threads and several server processes wait for each other and none fails half-way. What is committed survives
the end of our process, however it ends; a power cut may cost SQLite the last seconds, which browsers still
hold as drafts. A file that is removed or damaged while the app runs is noticed at the next transaction.
Knows no table.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from study.store import postgres
from study.store.circuit import circuit_to
from study.store.damage import is_damaged, make_private, opening_alone, set_aside
from study.store.errors import DamagedError, StoreError, translated
from study.store.migrations import migrate
from study.store.sound import read_json

BUSY_SECONDS = 10.0
"""For SQLite's lock, which another process may hold; a statement to PostgreSQL has ANSWER_SECONDS."""
_PRAGMAS = ("foreign_keys=ON", "synchronous=NORMAL", "secure_delete=ON")
_POSTGRES_LOCK = 0x6D696E69  # any number, the same in all our processes
_SNAPSHOT = {"isolation_level": "REPEATABLE READ"}  # PostgreSQL's default shows each statement another state


class Database:
    """An open, migrated database. `notice` is the error of what was wrong and has been mended, or None."""

    def __init__(
        self,
        url: str | URL,
        *,
        busy_seconds: float = BUSY_SECONDS,
        answer_seconds: float = postgres.ANSWER_SECONDS,
    ) -> None:
        self.url = _checked(url)
        self.path = Path(str(self.url.database)) if self.url.get_backend_name() == "sqlite" else None
        self.place = str(self.path or without_secrets(self.url))
        self.notice: StoreError | None = None
        self.circuit = circuit_to(self.url)
        self._busy_seconds = busy_seconds
        self._engine = _engine(self.url, busy_seconds, answer_seconds)
        self._opening = threading.Lock()
        self._writing = threading.Lock()  # threads queue here: SQLite's own waiting lets some starve
        self._suspect = False
        self._prepare()
        self._openings = 1
        self.writes = 0
        """Another number after every writing transaction of this process, whatever came of it."""
        self._count = itertools.count(1)
        self._file = _identity(self.path)

    @property
    def openings(self) -> int:
        """How often the database was opened; after it was replaced or set aside, once more."""
        self._reopen_if_replaced()
        return self._openings

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the data and changes nothing."""
        self._reopen_if_replaced()
        with self._transaction(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that alone may write; all of it happens, or nothing."""
        try:
            with self._queued(), self._transaction(writes=True) as connection:
                yield connection
        finally:
            self.writes = next(self._count)

    @contextmanager
    def _queued(self) -> Iterator[None]:
        """Wait for the other threads where the database lets some starve."""
        self._reopen_if_replaced()
        if self.path is None:
            yield
            return
        if not self._writing.acquire(timeout=2 * self._busy_seconds):
            raise StoreError(
                f"{self.place} is too busy: try again in a moment.", key="store.busy", place=self.place
            )
        try:
            yield
        finally:
            self._writing.release()

    def forget_log(self) -> None:
        """Empty SQLite's log into the file, so that deleted text is in neither; skipped while others read."""
        if self.path is not None:
            with translated(self.place), self._engine.connect() as connection:
                connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, *, writes: bool, engine: Engine | None = None) -> Iterator[Connection]:
        options = {"writes": writes} if self.path or writes else _SNAPSHOT
        try:
            with (
                self.circuit.watched(),
                translated(self.place),
                (engine or self._engine).connect() as connection,
                connection.execution_options(**options).begin(),
            ):
                yield connection
        except DamagedError:
            self._suspect = True  # looked at again before the next transaction
            raise

    def _prepare(self) -> None:
        """Make, mend or migrate the database; one process at a time."""
        if self.path is None:
            self._prepare_postgres()
            return
        with translated(self.place):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_private(self.path)
            with opening_alone(self.path, self._busy_seconds):
                if is_damaged(self.path, self._busy_seconds):
                    aside = set_aside(self.path)
                    self.notice = StoreError(
                        f"{self.place} was damaged: it is kept as {aside.name}, and a new, empty file was "
                        "begun; bring back an export of yours if you have one.",
                        key="store.set_aside",
                        place=self.place,
                        aside=aside.name,
                    )
                with self._engine.connect() as connection:
                    connection.connection.cursor().execute("PRAGMA journal_mode=WAL")
                with self._transaction(writes=True) as connection:
                    migrate(connection, self.place)

    def _prepare_postgres(self) -> None:
        patient = _engine(self.url, answer_seconds=postgres.PREPARE_SECONDS)
        try:
            with self._transaction(writes=True, engine=patient) as connection:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_LOCK})
                if connection.execute(text("SHOW server_encoding")).scalar_one() != "UTF8":
                    raise StoreError(
                        f"{self.place} cannot hold every text: make the database with ENCODING 'UTF8'.",
                        key="store.encoding",
                        place=self.place,
                    )
                migrate(connection, self.place)
        finally:
            patient.dispose()

    def _reopen_if_replaced(self) -> None:
        """Open a new file where the old one was removed or moved: connections would go on writing into it."""
        if self._sound():
            return
        with self._opening:
            if self._sound():
                return
            before, was_replaced = self.notice, _identity(self.path) != self._file
            self._engine.dispose()
            self._prepare()
            if was_replaced and self.notice is before:
                self.notice = StoreError(
                    f"{self.place} was removed or replaced while the app ran: what it held is not here; "
                    "bring back an export of yours if you have one.",
                    key="store.replaced",
                    place=self.place,
                )
            self._file, self._suspect = _identity(self.path), False
            self._openings += 1

    def _sound(self) -> bool:
        return not self._suspect and _identity(self.path) == self._file


def _checked(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        raise StoreError(
            "The database's address cannot be read: use postgresql://USER@HOST/NAME or sqlite:///PATH.",
            key="store.address",
        ) from error
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql") or not parsed.database:
        raise StoreError(
            "The database must be a file (sqlite:///PATH) or PostgreSQL "
            "(postgresql://USER@HOST/NAME): change its address.",
            key="store.kind",
        )
    return parsed


def without_secrets(url: URL) -> str:
    """The address for people to read: host, port and name, and nothing that could hold a password.

    A password may stand before the host, also with an @ in it, or in any of the options behind the
    question mark. An error of the driver, which may repeat them, is not shown at all.
    """
    host = (url.host or "").rpartition("@")[2]
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()}://{host}{port}/{url.database}"


def _engine(
    url: URL, busy_seconds: float = BUSY_SECONDS, answer_seconds: float = postgres.ANSWER_SECONDS
) -> Engine:
    sqlite = url.get_backend_name() == "sqlite"
    try:
        engine = create_engine(
            url,
            pool_pre_ping=not sqlite,
            pool_size=5,
            max_overflow=15,
            json_deserializer=read_json,
            connect_args={"timeout": busy_seconds} if sqlite else {"client_encoding": "UTF8"},
        )
    except (ImportError, NoSuchModuleError) as error:
        raise StoreError(
            'PostgreSQL needs a driver: pip install "psycopg[binary]".', key="store.no_driver"
        ) from error
    if sqlite:
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
    else:
        postgres.limit_waiting(engine, answer_seconds)
    return engine


def _set_up(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # sqlite3 must not begin transactions on its own: `_begin` does
    connection.text_factory = lambda text: text.decode("utf-8", "replace")  # another program's may be none
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _identity(path: Path | None) -> tuple[int, int] | None:
    """Which file a path names now; None where there is none."""
    try:
        status = path.stat() if path else None
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status else None
