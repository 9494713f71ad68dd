"""A Ray cluster of one machine, for tests: the head node, started as docs/cluster.md says."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from labs.contract.registry import ROOT
from labs.runner.cluster import connect
from tests.labs.runner.waiting import SOON, wait_for

STARTED = 400.0
"""Seconds within which a head node is there: ten processes of Python, on a machine that does much else."""
ON_RAY = (
    pytest.mark.cluster,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="no Ray: pip install -r requirements-cluster.txt"
    ),
    pytest.mark.timeout(3 * STARTED),
)
"""What is marked with these needs Ray, and is run by `make test-cluster`."""
Test = TypeVar("Test", bound=Callable[..., None])


def on_ray(test: Test) -> Test:
    """One test with all of these marks."""
    for mark in ON_RAY:
        test = mark(test)
    return test


class Head:
    """A head node with two CPUs, which can be stopped and started again. `address` is for MINIMIND_RUNNER,
    `node` for who joins it."""

    def __init__(self) -> None:
        self._port, self._client_port = free_ports(2)
        self.address = f"ray://127.0.0.1:{self._client_port}"
        self.node = f"127.0.0.1:{self._port}"
        self._folder = tempfile.mkdtemp(prefix="ray-")  # short: sockets lie in it

    def start(self) -> None:
        """Return once the client port is open.

        Ray itself gives up after half a minute, which a busy machine may need for the first process alone.
        """
        self._launch()
        wait_for(self._answers, STARTED)

    def _launch(self) -> None:
        settings = {
            "num-cpus": 2,
            "include-dashboard": "false",
            "object-store-memory": 80_000_000,
            "node-ip-address": "127.0.0.1",
            "port": self._port,
            "ray-client-server-port": self._client_port,
            "dashboard-agent-listen-port": 0,
            "min-worker-port": 0,
            "max-worker-port": 0,
            "temp-dir": self._folder,
        }
        ray = [
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "start",
            "--head",
            "--block",
            "--disable-usage-stats",
        ]
        self._process = subprocess.Popen(
            [*ray, *(f"--{name}={value}" for name, value in settings.items())],
            env={**os.environ, "PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Of the process that all others of the node descend from."""
        return self._process.pid

    def stop(self) -> None:
        """End the node and all that runs on it."""
        self._process.terminate()
        try:
            self._process.wait(SOON)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Stop, and leave no file."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            self._launch()
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", self._client_port)) == 0


@contextmanager
def head_node() -> Iterator[Head]:
    """A cluster for a `with` block. Its token is its own, and nothing is reported to anybody."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        import ray  # reads them now

        head = Head()
        try:
            head.start()
            connect(head.address)  # the first time takes as long as a process of Ray's own there
            yield head
        finally:
            ray.shutdown()
            head.close()


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
