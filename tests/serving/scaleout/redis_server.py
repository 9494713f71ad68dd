"""A real Redis of the tests' own: in a temporary folder, on a socket there, killed and started as they like.

python -m tests.serving.scaleout.redis_server      exit code 1 and a sentence where a program is missing
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving.scaleout.programs import DEBIAN, MissingProgram, ends_with_us, find, redis_address, redis_command

PATIENCE = 60.0


class RedisServer:
    """One server; what it accepted is still there after `kill` and `start`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.address = folder, redis_address(folder)
        self.start()

    def start(self) -> None:
        """Returns once it answers."""
        self._process = subprocess.Popen(
            [*ends_with_us(), *redis_command(self.folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < end
            time.sleep(0.01)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.folder / "redis.sock"))
                client.sendall(b"PING\r\n")
                return client.recv(64) == b"+PONG\r\n"
            except OSError:
                return False


def need(*programs: str) -> None:
    """Skip where one is missing; on a Debian of CI that is a failure."""
    try:
        find(*programs)
    except MissingProgram as error:
        on_ci = Path("/etc/debian_version").exists() and os.environ.get("CI") == "true"
        pytest.fail(str(error)) if on_ci else pytest.skip(f"{error} `make system` does.")


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A server that ends with the block."""
    need("redis-server")
    folder = Path(tempfile.mkdtemp(prefix="minimind-redis-"))
    server = RedisServer(folder)
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)


if __name__ == "__main__":
    try:
        print(*find(*DEBIAN))
    except MissingProgram as error:
        sys.exit(str(error))
