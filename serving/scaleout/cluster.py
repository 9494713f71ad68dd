"""The whole service on one machine: nginx before API nodes, a Redis between them and the workers.

Only nginx listens where others look; the nodes are on free ports of loopback, the Redis on a socket in the
data folder. Whatever ends is started again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from serving.arguments import ENGINE, number_words
from serving.scaleout.processes import NotStarted, Process
from serving.scaleout.programs import find, nginx_command, redis_address, redis_command

CONNECT_SECONDS = 1.0


class Cluster:
    """What `options` of the command `cluster` say, in `folder`, with nginx at `port`."""

    def __init__(self, options: Namespace, folder: Path, port: int) -> None:
        find("redis-server", "nginx")
        self._options, self._folder, self._port = options, folder, port
        self._drain_seconds = options.drain_seconds
        self._redis = Process(
            "redis", folder, lambda: redis_command(folder), lambda _: _redis_answers(folder)
        )
        self._workers = [self._worker(number) for number in range(options.workers)]
        self._nodes = [self._node(number) for number in range(options.nodes)]
        self._ports: dict[str, int] = {}
        self._nginx = Process("nginx", folder, self._nginx_command, lambda _: _listens(port))

    @property
    def processes(self) -> list[Process]:
        """In the order in which they start."""
        return [self._redis, *self._workers, *self._nodes, self._nginx]

    async def start(self) -> None:
        """Returns once all are ready. Raises NotStarted."""
        if _listens(self._port):
            raise NotStarted(f"Somebody listens at port {self._port} already; choose another by --port.")
        await self._redis.start()
        async with asyncio.TaskGroup() as together:
            for each in (*self._workers, *self._nodes):
                together.create_task(each.start())
        await self._nginx.start()
        for each in self.processes:
            each.keep()

    async def stop(self) -> None:
        """From the door inwards, so that what was accepted is answered."""
        await self._nginx.stop(self._drain_seconds, signal.SIGQUIT)
        for group in (self._nodes, self._workers, [self._redis]):
            await asyncio.gather(*(each.stop(self._drain_seconds) for each in group))

    def _worker(self, number: int) -> Process:
        options = self._options
        words = [
            *("worker", "--queue-address", redis_address(self._folder)),
            *("--model", options.model, "--device", str(options.device), "--dtype", options.dtype),
            *(("--tokenizer", options.tokenizer) if options.tokenizer else ()),
            *number_words(options, *ENGINE),
            *(("--paged",) if options.paged else ()),
            *("--metrics-port", "0"),
        ]
        threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // options.workers))
        return Process(
            f"worker-{number + 1}",
            self._folder,
            lambda: _ours(words),
            lambda process: process.said("working") is not None,
            {"OMP_NUM_THREADS": threads},  # or else each takes all cores
        )

    def _node(self, number: int) -> Process:
        options, name = self._options, f"node-{number + 1}"
        slots = max(1, options.num_slots * options.workers // options.nodes)
        words = [
            *("serve", "--backend", redis_address(self._folder), "--slots", str(slots)),
            *number_words(options, "queue", "max_length", "max_new_tokens", "deadline", "drain_seconds"),
        ]

        def ready(process: Process) -> bool:
            if (line := process.said("listening")) is not None:
                self._ports[name] = line["port"]
            return line is not None

        # Its first port is a free one; when it comes back it takes the same, which nginx knows.
        return Process(
            name, self._folder, lambda: _ours([*words, "--port", str(self._ports.get(name, 0))]), ready
        )

    def _nginx_command(self) -> Sequence[str]:
        nodes = [self._ports[each.name] for each in self._nodes]
        return nginx_command(self._folder, self._port, nodes, self._options.deadline)


def _ours(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "serving", *words]


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _redis_answers(folder: Path) -> bool:
    """Also that it has read its file: until then it answers with an error."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(CONNECT_SECONDS)
        try:
            client.connect(str(folder / "redis.sock"))
            client.sendall(b"PING\r\n")
            return client.recv(64) == b"+PONG\r\n"
        except OSError:
            return False
