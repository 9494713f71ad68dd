"""Exchanges a server's runner for one with other settings, without a pause for those who use it.

New workers start beside the old ones and take over once they hold their model; then what the old ones
still run ends with a sentence. Settings that do not work leave the old ones running.
Reads and writes no settings: the caller keeps those that were accepted.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from labs.contract import DEFAULT_MODEL
from labs.runner.client import WorkerClient
from labs.runner.cluster import LOCAL
from minimind_core.errors import Sentence

EXCHANGED = Sentence("The settings of the labs were changed meanwhile; run it again.", "runner.exchanged")
STOPPED = Sentence("The try was stopped.", "runner.stopped")
_FAILED = Sentence(
    "The new settings could not be tried; `python -m minimind_core doctor` says what is wrong.",
    "runner.not_tried",
)
_LOOK_SECONDS = 0.1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunnerSettings:
    """What the workers of a server run on: `auto`, `cpu`, `cuda` or `mps`; dtype; checkpoint name or path.

    `runner` says where: "local", or the address of a Ray cluster (`cluster.cluster_of`).
    """

    device: str = "auto"
    dtype: str = "fp32"
    model: str = DEFAULT_MODEL
    runner: str = LOCAL


class RunnerExchange:
    """`client` is the runner that serves now, with `settings`. Safe to use from any thread.

    `trying` are settings that are being tried, or None; `problem` is the sentence about why the last
    ones were refused, empty if they were not.
    """

    def __init__(
        self,
        settings: RunnerSettings,
        start: Callable[..., WorkerClient] | None = None,
        *,
        wait_seconds: float = 0.0,
    ) -> None:
        """`wait_seconds`: how long the first workers leave the cores to others before they load torch."""
        self._start = start or _start
        self._lock = threading.Lock()
        self.client = self._start(settings, wait_seconds=wait_seconds)
        self.settings = settings
        self.trying: RunnerSettings | None = None
        self._stopped = threading.Event()
        self.problem = ""

    def change(self, settings: RunnerSettings, keep: Callable[[RunnerSettings], str]) -> bool:
        """Try other settings in the background. False, and nothing happens, while others are being tried.

        Once they serve, `keep` is called; it returns a sentence where it could not keep them, else "".
        """
        with self._lock:
            if self.trying is not None:
                return False
            self.trying, self.problem = settings, ""
            self._stopped.clear()
        threading.Thread(target=self._try, args=(settings, keep), daemon=True).start()
        return True

    def stop(self) -> None:
        """Give up the try that goes on, whatever its worker is doing: the labs go on as before."""
        self._stopped.set()

    def _try(self, settings: RunnerSettings, keep: Callable[[RunnerSettings], str]) -> None:
        problem: str = _FAILED
        try:
            candidate = self._start(settings)
            problem = self._settled(candidate)
            if problem:
                candidate.close()
            else:
                old, self.client, self.settings = self.client, candidate, settings
                old.close(EXCHANGED)
                problem = keep(settings)
        except Exception:  # the page must not wait for ever
            _log.exception("Other settings could not be tried")
        finally:
            self.problem, self.trying = problem, None

    def _settled(self, candidate: WorkerClient) -> str:
        """Why the candidate will not serve, once that is clear; "" once its model is there."""
        while (status := candidate.status()).state not in ("ready", "dead"):
            if self._stopped.wait(_LOOK_SECONDS):
                return STOPPED
        return status.error


def _start(settings: RunnerSettings, wait_seconds: float = 0.0) -> WorkerClient:
    return WorkerClient.start(
        settings.device,
        dtype=settings.dtype,
        model=settings.model,
        wait_seconds=wait_seconds,
        runner=settings.runner,
    )
