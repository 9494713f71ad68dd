"""A server that gave no answer in time is left alone for a moment: who comes next is told so at once.

Without it each visitor waits in turn until the driver gives up. A server that refuses at once costs nobody
anything and is asked every time. This is the circuit breaker of Nygard ("Release It!", 2007); nothing runs
in the background: every few seconds one caller tries, and an answer ends it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from sqlalchemy import URL

from study.store.errors import SilentError

RETRY_SECONDS = 5.0
"""Longer than a connection is waited for, so that one caller at a time does."""


class Circuit:
    """What this process knows of a server's silence. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._silence: SilentError | None = None
        self._retry_at = 0.0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Let the block speak to the server. Raises SilentError, where one is remembered, without it."""
        self._enter()
        try:
            yield
        except SilentError as error:
            self._remember(error)
            raise
        self._remember(None)

    def _enter(self) -> None:
        with self._lock:
            if self._silence is None:
                return
            if self.clock() >= self._retry_at:
                self._retry_at = self.clock() + RETRY_SECONDS  # this caller tries, for all others
                return
            raise SilentError(
                str(self._silence), key=self._silence.key, **self._silence.values
            ) from self._silence

    def _remember(self, silence: SilentError | None) -> None:
        with self._lock:
            self._silence, self._retry_at = silence, self.clock() + RETRY_SECONDS


@functools.cache
def circuit_to(_url: URL) -> Circuit:
    """The one circuit of this process to a database, which outlives a store that could not be opened."""
    return Circuit()
