"""One worker process seen from the web process: start, send, kill, and its events.

Decides nothing: it passes what the worker sends to `on_event`, and last `{"event": "exit", "code": ...}`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any, Protocol

from labs.contract.registry import ROOT
from labs.runner import protocol
from labs.runner.channel import Channel
from labs.runner.protocol import Message

_log = logging.getLogger(__name__)
EventHandler = Callable[["Worker", Message], None]


class Worker(Protocol):
    """One worker as its lane needs it: a process here, or somewhere in a cluster (`cluster.py`)."""

    def send(self, message: Message) -> None:
        """Send, or do nothing when the worker is gone."""

    def kill(self) -> None:
        """End the worker and its children now. The exit event follows."""

    def join(self, timeout: float) -> None:
        """Wait until it is gone."""


class WorkerProcess:
    """Starts at once. `on_event(self, message)` is called from a thread of this object, in order.

    `config`: device, dtype, model, experiments (module names), and `wait_seconds` before it imports anything
    that takes long. The process ends when this one dies, because its standard input then closes.
    Raises OSError where the system starts no process.
    """

    def __init__(self, config: Mapping[str, Any], on_event: EventHandler) -> None:
        self._on_event = on_event
        self._connection: Connection | None = None
        self._channel = Channel()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "labs.runner.start"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
                pass_fds=self._channel.inherited,
            )
        except OSError:
            self._channel.close()
            raise
        self._write_config({**config, **self._channel.config})
        self._channel.started()
        threading.Thread(target=self._read, name=f"worker-{self.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id; with it the id of the process group that holds the worker's own children."""
        return self._process.pid

    def send(self, message: Message) -> None:
        """Send, or do nothing when the worker is gone: its exit event comes anyway."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                protocol.send(self._connection, message)

    def kill(self) -> None:
        """End the worker and its children now. The exit event follows."""
        if self._process.returncode is not None:
            return  # reaped: its number may belong to another process by now
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def join(self, timeout: float) -> None:
        """Wait until the process is gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)

    def _write_config(self, config: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(config).encode() + b"\n")
            self._process.stdin.flush()

    def _read(self) -> None:
        try:
            self._connection = self._channel.connect(self._process)
            while True:
                self._on_event(self, protocol.receive(self._connection))
        except (EOFError, OSError):
            pass  # it hung up
        except Exception:
            _log.exception("A worker spoke nonsense")
        self.kill()  # either way it is of no use
        code = self._process.wait()
        if self._connection is not None:
            self._connection.close()
        self._on_event(self, {"event": "exit", "code": code})


class NoProcess:
    """Stands in the place of a worker that the system did not start."""

    def send(self, message: Message) -> None:
        """Nobody is there."""

    def kill(self) -> None:
        """Nobody is there."""

    def join(self, timeout: float) -> None:
        """Nobody is there."""
