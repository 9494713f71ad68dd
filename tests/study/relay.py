"""An address of PostgreSQL's that can fall silent: it takes what is sent, and no answer comes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Relay:
    """While `silent` is set, nothing is handed on; it is lost. `connections` counts all that were taken."""

    port: int
    connections: int = 0
    silent: threading.Event = field(default_factory=threading.Event)


@contextmanager
def relaying(server: str | None) -> Iterator[Relay]:
    """Hand on to the Unix socket `server`, or to nobody at all, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    relay, opened = Relay(listener.getsockname()[1]), [listener]

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                opened.append(client)
                relay.connections += 1
                if server is not None:
                    backend = socket.socket(socket.AF_UNIX)
                    opened.append(backend)
                    backend.connect(server)
                    for pair in ((client, backend), (backend, client)):
                        threading.Thread(target=hand_on, args=pair, daemon=True).start()

    def hand_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not relay.silent.is_set():
                    target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield relay
    finally:
        for each in opened:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
