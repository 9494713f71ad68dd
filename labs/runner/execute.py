"""One run of one experiment on a Host, in the thread that calls. Used by the worker and the inline backend.

Takes the device lock, gives `measure` its context, times it, and turns every way to end into an
`Outcome`. Starts no process and knows no queue.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from labs.contract import DEFAULT_MODEL, Cancelled, Context, Experiment, Params, jsonable
from labs.runner.device_lock import hold_device
from labs.runner.failures import explain
from labs.runner.host import Host
from labs.runner.job import NOTHING, Doing
from minimind_core.errors import MiniMindError

PROGRESS_SECONDS = 0.05
"""Progress messages closer together than this are dropped: no eye can follow them."""
ALIVE_SECONDS = 1.0
"""How often a run that only checks for a cancel reports that it is alive."""
Listener = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `seconds` is the time in `measure` alone; after a `fatal` end the process must go."""

    state: Literal["done", "failed", "cancelled"]
    result: dict[str, Any] | None = None
    error: str = ""
    seconds: float = 0.0
    fatal: bool = False


class RunContext(Context):
    """The `Context` of a measurement (labs/contract/experiment.py); passes its messages to `listener`."""

    def __init__(self, host: Host, model: str, listener: Listener, cancelled: threading.Event) -> None:
        self._host, self._model, self._listener, self._cancelled = host, model, listener, cancelled
        self._reported = self._alive = 0.0
        self._doing: Doing = NOTHING

    @property
    def device(self) -> str:
        """See Context."""
        return self._host.device

    @property
    def dtype(self) -> str:
        """See Context."""
        return self._host.dtype

    def model(self, name: str | None = None) -> Any:
        """See Context."""
        self.check_cancelled()
        return self._host.model(name or self._model)

    def progress(self, fraction: float, doing: str = "", **values: Any) -> None:
        """See Context. The begin of another `doing` is never dropped."""
        self.check_cancelled()
        now = time.monotonic()
        another = bool(doing) and doing != self._doing[0]
        if doing:
            self._doing = (doing, values)
        if another or now - self._reported >= PROGRESS_SECONDS:
            self._reported = now
            fraction = min(max(float(fraction), 0.0), 1.0)
            self._listener({"event": "progress", "fraction": fraction, "doing": self._doing})

    def emit(self, partial: Mapping[str, Any]) -> None:
        """See Context."""
        self.check_cancelled()
        self._listener({"event": "partial", "partial": dict(partial)})

    def check_cancelled(self) -> None:
        """See Context."""
        if self._cancelled.is_set():
            raise Cancelled
        now = time.monotonic()
        if now - self._alive >= ALIVE_SECONDS:
            self._alive = now
            self._listener({"event": "alive"})


def execute(
    experiment: Experiment,
    params: Params,
    host: Host,
    listener: Listener,
    cancelled: threading.Event,
    *,
    model: str = DEFAULT_MODEL,
) -> Outcome:
    """Run `experiment` and return how it ended; nothing but KeyboardInterrupt is raised.

    `listener` is called with {"event": "started" | "progress" | "partial" | "alive", ...} in order.
    """
    context = RunContext(host, model, listener, cancelled)
    try:
        with hold_device(host.lock_name, while_waiting=lambda: _wait_word(context)):
            listener({"event": "started"})
            began = time.perf_counter()
            result = experiment.measure(params, context)
            host.synchronize()
            seconds = time.perf_counter() - began
        assert len(jsonable.dumps(result)) <= jsonable.MAX_RESULT_BYTES, "the result is larger than 2 MB"
        return Outcome("done", result=result, seconds=seconds)
    except Cancelled:
        return Outcome("cancelled")
    except Exception as error:
        if not isinstance(error, MiniMindError):
            traceback.print_exc(file=sys.stderr)
        failure = explain(error)
        return Outcome("failed", error=failure.sentence, fatal=failure.fatal)


def _wait_word(context: RunContext) -> None:
    context.progress(0.0, "waiting")
