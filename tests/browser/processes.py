"""The processes behind a page: the server, and the worker that computes for it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

RUNS_SECONDS, STANDS_SECONDS = 0.002, 0.05
"""A crawling worker works this long, then stands still this long: some twentieth of its speed."""


def web_process(address: str) -> psutil.Process:
    """The server that this program started at the address."""
    port = address.rpartition(":")[2]
    return next(child for child in psutil.Process().children() if port in child.cmdline())


def worker_of(server: psutil.Process) -> psutil.Process:
    """The process that computes for the server; waits for one that is being started."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for child in server.children():
            if "labs.runner.start" in child.cmdline():
                return child
        time.sleep(0.05)
    raise AssertionError("the server has no worker")


@contextmanager
def at_a_crawl(worker: psutil.Process) -> Iterator[None]:
    """The worker hardly moves, so that no run ends before somebody has seen it, however fast the machine.

    It may be killed meanwhile. One that has not run before takes long to begin: let it run once.
    """
    over = threading.Event()
    brake = threading.Thread(target=_brake, args=(worker, over))
    brake.start()
    try:
        yield
    finally:
        over.set()
        brake.join()


def _brake(worker: psutil.Process, over: threading.Event) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        while not over.wait(RUNS_SECONDS):
            worker.suspend()
            over.wait(STANDS_SECONDS)
            worker.resume()
