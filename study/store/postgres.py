"""Connections to PostgreSQL that wait for nobody without end.

A server may refuse, which its driver tells at once. It may also take a connection and never answer, hang
later, or work at one statement for ever; then a page would wait as long. Knows no table, and imports its
driver only when a connection is made.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Engine, event

CONNECT_SECONDS = 3
"""For a new connection, where the address names no `connect_timeout` of its own."""
ANSWER_SECONDS = 4.0
"""For a statement, the waiting for others' locks included."""
PREPARE_SECONDS = 120.0
"""The same while tables are made or changed, or another process does that."""
_GRACE_SECONDS = 1.0
"""A server that still answers has this much longer to say itself that a statement took too long."""
Value = TypeVar("Value")


def limit_waiting(engine: Engine, seconds: float) -> None:
    """Let connections of `engine` end each statement after `seconds`, and themselves where no answer comes.

    The server's own end of a statement leaves the connection whole (SQLSTATE 57014). Without an answer it
    is closed, which the driver raises as an OperationalError and the server takes for a rollback.
    """

    def connect(_dialect: object, _record: object, given: list[Any], named: dict[str, Any]) -> Any:
        import psycopg

        class Limited(psycopg.Connection[Any]):
            def wait(self, gen: Any, *options: Any, **named: Any) -> Any:
                return super().wait(_limited(gen, self.pgconn, seconds + _GRACE_SECONDS), *options, **named)

        return Limited.connect(*given, **{"connect_timeout": CONNECT_SECONDS, **named})

    def set_up(connection: Any, _record: object) -> None:
        connection.execute(f"SET statement_timeout = {max(1, round(1000 * seconds))}")
        connection.commit()

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", set_up)


def _limited(
    conversation: Generator[Any, Any, Value], pgconn: Any, seconds: float
) -> Generator[Any, Any, Value]:
    """A conversation of the driver with the server, which ends in an error where the server falls silent.

    The driver sends what the socket is ready for; nothing, some ten times a second, as long as it is not.
    """
    deadline = monotonic() + seconds
    try:
        wanted = next(conversation)
        while True:
            ready = yield wanted
            if not ready and monotonic() > deadline:
                pgconn.finish()
                raise _silent()
            wanted = conversation.send(ready)
    except StopIteration as end:
        value: Value = end.value
        return value


def _silent() -> Exception:
    import psycopg

    return psycopg.errors.ConnectionTimeout("no answer in time")


def timed_out(error: BaseException | None) -> bool:
    """Whether this is an error of a connection, or of an attempt at one, that no answer came to in time."""
    driver = sys.modules.get("psycopg")  # there as soon as a connection was attempted
    return driver is not None and isinstance(error, driver.errors.ConnectionTimeout)
