"""The actor that holds one worker on a machine of a Ray cluster, and passes messages on both ways.

Starts the very process that runs on a single machine (`process.py`): locks, priorities and every way to
die are the same there. Loads no torch itself. When the actor ends, however it does, its worker's standard
input closes, and the worker and its children end too.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Mapping
from typing import Any

import ray

from labs.runner import protocol
from labs.runner.process import WorkerProcess

WAIT_SECONDS = 1.0
"""How long `take` waits for something to happen: also how often a lost caller is noticed."""


class Relay:
    """`take` and `send` run beside each other, each in the order in which it was called.

    Raises OSError where the system starts no process.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._worker = WorkerProcess(config, lambda _worker, message: self._said.put(protocol.pack(message)))

    @ray.method(concurrency_group="events")
    def take(self) -> list[bytes]:
        """What the worker has said since the last call, packed; empty where it was silent for a second."""
        said = []
        with contextlib.suppress(queue.Empty):
            said.append(self._said.get(timeout=WAIT_SECONDS))
            while True:
                said.append(self._said.get_nowait())
        return said

    @ray.method(concurrency_group="orders")
    def send(self, packed: bytes) -> None:
        """Give the worker a message."""
        self._worker.send(protocol.unpack(packed))
