"""One worker process, once `start.py` lets it begin.

Answers before torch and the model are loaded. Runs one job at a time. It ends when its parent is gone,
whatever it is doing: a reader thread sees the end of the connection, and on Linux the kernel kills the whole
process group when standard input closes.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
from multiprocessing.connection import Connection
from typing import Any

from labs.contract.registry import Registry
from labs.runner import protocol
from labs.runner.channel import open_channel
from labs.runner.failures import cannot_start, explain
from labs.runner.protocol import Message
from minimind_core.parent import leads_group

NICE = 10
OOM_SCORE = "800"
"""For /proc/self/oom_score_adj: when memory runs out, Linux ends this process and not the app."""


def serve(config: dict[str, Any]) -> int:
    """Serve one parent until it is gone (exit code 0) or a run has spoilt the process (1)."""
    connection = open_channel(config)
    os.dup2(2, 1)  # from now on a print inside an experiment goes to the log
    return Worker(connection, config).serve()


class Worker:
    """The main thread computes, one thread reads. `serve` returns the exit code."""

    def __init__(self, connection: Connection, config: dict[str, Any]) -> None:
        self._connection = connection
        self._config = config
        self._orders: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._cancelled: dict[int, threading.Event] = {}
        self._sending = threading.Lock()

    def serve(self) -> int:
        """Load the model, then run the orders one after the other."""
        threading.Thread(target=self._read, daemon=True).start()
        self._status(state="loading")
        host = self._load()
        if host is None:
            return 1
        registry = Registry(self._config["experiments"])
        while True:
            if self._run(host, registry, self._orders.get()):
                return 1

    def _load(self) -> Any:
        try:
            from labs.runner.host import Host

            host = Host(self._config["device"], self._config["dtype"])
        except Exception as error:
            self._status(state="dead", error=cannot_start(error))
            return None
        _be_modest(host.device)
        about = host.describe()
        self._status(state="loading", **about)
        name, problem = self._config["model"], ""
        try:
            host.model(name)
        except Exception as error:
            name, problem = "", explain(error).sentence
        self._status(state="ready", model_name=name, error=problem, **about)
        return host

    def _run(self, host: Any, registry: Registry, order: Message) -> bool:
        """Run one order and report its end. True if the process is of no use after it."""
        from labs.runner.execute import Outcome, execute

        run = order["run"]

        def report(message: Message) -> None:
            self._send({**message, "run": run})

        try:
            experiment = registry.find(order["experiment"])
            outcome = execute(
                experiment,
                experiment.params.from_dict(order["params"]),
                host,
                report,
                self._cancelled[run],
                model=order["model"],
            )
        except Exception as error:
            outcome = Outcome("failed", error=explain(error).sentence)
        del self._cancelled[run]
        report({"event": "ended", **vars(outcome)})
        return outcome.fatal

    def _read(self) -> None:
        """Take orders until the parent is gone, then end the process, busy or not."""
        with contextlib.suppress(Exception):  # gone, or it makes no sense any more
            while True:
                message = protocol.receive(self._connection)
                if message["do"] == "run":
                    self._cancelled[message["run"]] = threading.Event()
                    self._orders.put(message)
                elif (cancelled := self._cancelled.get(message["run"])) is not None:
                    cancelled.set()
        _end_group()

    def _status(self, **fields: Any) -> None:
        self._send({"event": "status", **fields})

    def _send(self, message: Message) -> None:
        with self._sending, contextlib.suppress(OSError):
            protocol.send(self._connection, message)


def _end_group() -> None:
    if leads_group():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _be_modest(device: str) -> None:
    """Give way to the app: lower priority on a CPU, first choice of Linux's out-of-memory killer."""
    if device == "cpu" and hasattr(os, "nice"):
        os.nice(NICE)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
        score.write(OOM_SCORE)
