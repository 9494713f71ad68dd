"""The messages between the web process and a worker: JSON bytes over an authenticated local connection.

To the worker:   {"do": "run", "run": 7, "experiment": ..., "params": {...}, "model": ...}
                 {"do": "cancel", "run": 7}
From the worker: {"event": "status", ...WorkerStatus}
                 {"event": "started" | "progress" | "partial" | "alive" | "ended", "run": 7, ...}

What went wrong is under "error": a Sentence, which keeps its key and values on the way. Nothing is pickled,
so a message can carry data but no code. Either side ends the other by closing the connection.
"""

from __future__ import annotations

from multiprocessing.connection import Connection
from typing import Any

from labs.contract import jsonable
from minimind_core.errors import Sentence

Message = dict[str, Any]
MAX_MESSAGE_BYTES = 64 * 2**20


def send(connection: Connection, message: Message) -> None:
    """Send one message. Raises OSError when the other side is gone."""
    connection.send_bytes(pack(message))


def receive(connection: Connection) -> Message:
    """Wait for one message. Raises EOFError or OSError when the other side is gone."""
    return unpack(connection.recv_bytes(MAX_MESSAGE_BYTES))


def pack(message: Message) -> bytes:
    """The message as bytes of JSON."""
    error = message.get("error")
    if isinstance(error, Sentence):
        values = {name: _plain(value) for name, value in error.values.items()}
        message = message | {"error": {"text": str(error), "key": error.key, "values": values}}
    return jsonable.dump_bytes(message)


def unpack(packed: bytes) -> Message:
    """The message of these bytes. Raises ValueError for what `pack` never made."""
    message: Message = jsonable.loads(packed)
    if isinstance(error := message.get("error"), dict):
        message["error"] = Sentence(**error)
    return message


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)
