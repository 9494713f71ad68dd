"""The private line between the web process and one worker, which nobody else can reach.

On POSIX a pair of connected sockets, one of which the worker inherits: no file and no port, so that neither a
full disk nor a long TMPDIR is in the way. On Windows a named pipe with a key that only the two know.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.connection import Client, Connection, Listener
from typing import Any


class Channel:
    """The web process's side: made before the worker, told to it in its config, then connected."""

    def __init__(self) -> None:
        self._ours = self._theirs = None
        self._authkey = b""
        if sys.platform == "win32":
            self._authkey = secrets.token_bytes(32)
        else:
            self._ours, self._theirs = socket.socketpair()

    @property
    def inherited(self) -> tuple[int, ...]:
        """The descriptors that the worker must inherit."""
        return () if self._theirs is None else (self._theirs.fileno(),)

    @property
    def config(self) -> dict[str, Any]:
        """What the worker's `open_channel` needs, as JSON data."""
        return {"descriptor": self._theirs.fileno()} if self._theirs else {"authkey": self._authkey.hex()}

    def connect(self, process: subprocess.Popen[bytes]) -> Connection:
        """The connection to the worker. Raises OSError or ValueError where it died before."""
        stdout = process.stdout
        assert stdout is not None
        if self._ours is not None:
            return Connection(self._ours.detach())
        address = json.loads(stdout.readline())  # empty when the worker died first: ValueError
        return Client(address, authkey=self._authkey)

    def started(self) -> None:
        """The worker has its end now: without a copy of it here, its death ends the connection."""
        if self._theirs is not None:
            self._theirs.close()

    def close(self) -> None:
        """There will be no worker."""
        for end in (self._ours, self._theirs):
            if end is not None:
                end.close()


def open_channel(config: Mapping[str, Any]) -> Connection:
    """The worker's side; on Windows waits until the web process has connected."""
    if "descriptor" in config:
        os.set_inheritable(config["descriptor"], False)  # not for the worker's own children
        return Connection(config["descriptor"])
    with Listener(None, "AF_PIPE", authkey=bytes.fromhex(config["authkey"])) as listener:
        print(json.dumps(listener.address), flush=True)
        return listener.accept()
