"""The real service in processes of its own: started for a run, looked at, disturbed, and always ended.

A service is one process with our engine in it, or, where the worker is to fail, a front with the queue and
the circuit breaker before such a process. Each listens on a free port of loopback, and ends when its
standard input closes: with this process, however that ends.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, NamedTuple

import httpx

from labs.contract.registry import ROOT
from labs.q14_serving.live_breaks import DEADLINE, Setup
from minimind_core.errors import ConfigError, MiniMindError

LOOK_SECONDS = 0.1
BREAKER_FAILURES, NEVER = 3, 10**9
BREAKER_SECONDS, FALLBACK_SECONDS = 0.5, 3.0
"""Until an open breaker lets one request try; longer where a smaller model answers meanwhile."""
FALLBACK = "draft-1l"
UNBOUNDED = 10**6
"""Requests that a queue without a bound may hold."""
_GAUGE = re.compile(
    r'^minimind_(queue_depth|kv_slots_used|breaker_state\{state="(?P<state>[\w-]+)"\}) (\S+)$', re.M
)


class Look(NamedTuple):
    """Where a service stands: who waits, whose tokens are made; None of what does not answer."""

    waiting: int | None
    running: int | None
    breaker: str


class Process:
    """`python -m serving serve` with these options. Starts at once; `wait` until it listens.

    `took` is how many seconds that was the last time.
    """

    def __init__(self, options: Sequence[str]) -> None:
        self._options = options
        self.port, self.took = 0, 0.0
        self.start()

    @property
    def address(self) -> str:
        """Of its port, once it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def listens(self) -> bool:
        """True once it answers. Raises ConfigError where it has ended before."""
        if self._ended.is_set() and not self._listening.is_set():
            raise ConfigError(
                f"The service did not start: {self._said} Try `python -m serving serve`.",
                key="q14.no_service",
                said=self._said,
            )
        return self._listening.is_set()

    def start(self) -> None:
        """Start it, or start it again on its port."""
        self._began = time.perf_counter()
        self._listening, self._ended, self._said = threading.Event(), threading.Event(), ""
        command = [sys.executable, "-m", "serving", "serve", "--until-eof", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, *self._options],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) - 1))},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert self._process.stderr is not None
        threading.Thread(target=self._read, args=(self._process.stderr,), daemon=True).start()

    def wait(self, check: Callable[[], None]) -> None:
        """Until it listens; `check` is called meanwhile, and may raise. Raises ConfigError where it ends."""
        while not self.listens:
            check()
            self._listening.wait(LOOK_SECONDS)

    def stop(self) -> None:
        """Hold it, as a process that hangs. Raises MiniMindError where the system cannot."""
        self._signal("SIGSTOP")

    def go_on(self) -> None:
        """Let it run again."""
        self._signal("SIGCONT")

    def kill(self) -> None:
        """End it now, as the system does that runs out of memory; held or not."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def _signal(self, name: str) -> None:
        if not hasattr(signal, name):
            raise MiniMindError(
                "This system cannot hold a process; choose another break.", key="q14.cannot_hold"
            )
        self._process.send_signal(getattr(signal, name))

    def _read(self, log: IO[str]) -> None:
        """Hear where it listens; keep the last line, which says why it ended."""
        listening, ended = self._listening, self._ended
        with log:
            for line in log:
                self._said = line.strip()
                if not listening.is_set() and '"event": "listening"' in line:
                    self.port, self.took = json.loads(line)["port"], time.perf_counter() - self._began
                    listening.set()
        ended.set()


class Service:
    """A running service: where requests go, and the process whose engine answers them.

    `front` starts the process before that one, for a deadline in seconds; None where there is none.
    """

    def __init__(self, worker: Process, front: Callable[[float], Process] | None) -> None:
        self.entry, self.worker, self._front = worker, worker, front

    def open(self, deadline: float) -> None:
        """Put the front before the worker, where there is one: from now on requests go there."""
        if self._front is not None:
            self.entry = self._front(deadline)

    async def look(self, client: httpx.AsyncClient) -> Look:
        """Ask for its metrics; a worker that hangs or is gone does not tell."""
        front = await _gauges(client, self.entry)
        behind = front if self.worker is self.entry else await _gauges(client, self.worker)
        state = next((name.partition(" ")[2] for name in front if name.startswith("breaker ")), "closed")
        return Look(front.get("queue_depth"), behind.get("kv_slots_used"), state)


@contextmanager
def running(setup: Setup, model: Sequence[str], check: Callable[[], None]) -> Iterator[Service]:
    """A service as `setup` says, `model` being the options that choose its weights. Ends it at the end.

    `check` is called while it starts. Raises ConfigError with what the service says where it does not start.
    """
    with ExitStack() as processes:

        def start(*options: object) -> Process:
            process = Process([str(option) for option in options])
            processes.callback(process.kill)
            return process

        def front(deadline: float) -> Process:
            failures = BREAKER_FAILURES if setup.breaker else NEVER
            seconds = FALLBACK_SECONDS if setup.fallback else BREAKER_SECONDS
            breaker = ("--breaker-failures", failures, "--breaker-seconds", seconds)
            spare = (*model, "--fallback", FALLBACK) if setup.fallback else ()
            bounds = ("--slots", setup.slots, "--queue", queue, "--deadline", deadline)
            process = start(*bounds, *breaker, *spare, "--backend", worker.address)
            process.wait(check)
            return process

        queue = UNBOUNDED if setup.unbounded else setup.queue
        behind = UNBOUNDED if setup.front else queue
        worker = start("--slots", setup.slots, "--queue", behind, "--deadline", DEADLINE, *model)
        worker.wait(check)
        yield Service(worker, front if setup.front else None)


async def _gauges(client: httpx.AsyncClient, process: Process) -> dict[str, int]:
    """The gauges that are drawn; none where nobody answers."""
    try:
        text = (await client.get(f"{process.address}/metrics")).text
    except httpx.HTTPError:
        return {}
    found = {}
    for match in _GAUGE.finditer(text):
        name = f"breaker {match['state']}" if match["state"] else match[1]
        if not match["state"] or float(match[3]):
            found[name] = int(float(match[3]))
    return found
