"""One worker process seen from the web process: start, send, kill, and its events.

Decides nothing: it passes what the worker sends to `on_event`, and last `{"event": "exit", "code": ...}`.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from typing import Any

from labs.contract.registry import ROOT
from labs.runner import protocol
from labs.runner.protocol import Message

EventHandler = Callable[["WorkerProcess", Message], None]


class WorkerProcess:
    """Starts at once. `on_event(self, message)` is called from a thread of this object, in order.

    `config`: device, dtype, model, experiments (module names), and `wait_seconds` before it loads torch,
    which keeps all cores busy. The process ends when this one dies, because its standard input then closes.
    """

    def __init__(self, config: Mapping[str, Any], on_event: EventHandler) -> None:
        self._on_event = on_event
        self._connection: Connection | None = None
        self._authkey = secrets.token_bytes(32)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "labs.runner.worker"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._write_config({**config, "authkey": self._authkey.hex()})
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
        with contextlib.suppress(EOFError, OSError, ValueError, AuthenticationError):
            self._connection = self._connect()
            while True:
                self._on_event(self, protocol.receive(self._connection))
        self.kill()  # a worker that hung up, or spoke nonsense, is of no use
        code = self._process.wait()
        if self._connection is not None:
            self._connection.close()
        self._on_event(self, {"event": "exit", "code": code})

    def _connect(self) -> Connection:
        stdout = self._process.stdout
        assert stdout is not None
        with stdout:
            address = json.loads(stdout.readline())  # empty when the worker died first: ValueError
        return Client(address, authkey=self._authkey)
