"""A circuit breaker: a backend that fails again and again is left alone, then tried by one request.

    closed      everybody is let through; `failures` failures in a row open it
    open        nobody is, for `seconds`
    half-open   one request tries: its success closes the breaker, its failure opens it again

Nygard, Release It!, 2007. Knows no network; one thread owns it. What requests that were let through before a
change report after it counts for nothing: they tell of the backend as it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half-open"]
STATES: tuple[State, ...] = ("closed", "open", "half-open")


class Pass:
    """One request that was let through; exactly one of its methods is called when it has ended."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker, self._era = breaker, breaker.era

    def succeeded(self) -> None:
        """The backend answered."""
        if self._era == self._breaker.era:
            self._breaker.note_success()

    def failed(self) -> None:
        """The backend is to blame."""
        if self._era == self._breaker.era:
            self._breaker.note_failure()

    def abandoned(self) -> None:
        """Nothing was learned: the client left, or asked for what cannot be."""
        if self._era == self._breaker.era:
            self._breaker.trying = False


class Breaker:
    """Opens after `failures` in a row, lets one request try after `seconds` on `clock`."""

    def __init__(self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.failures, self.seconds, self.clock = failures, seconds, clock
        self.era = 0
        """Counts the changes of state."""
        self.trying = False
        """A request that tries a half-open backend is under way."""
        self._state: State = "closed"
        self._in_a_row = 0
        self._opened = 0.0

    @property
    def state(self) -> State:
        """Where it stands now; an open one whose time is over is half-open."""
        over = self._state == "open" and self.clock() >= self._opened + self.seconds
        return "half-open" if over else self._state

    @property
    def retry_after(self) -> float:
        """Seconds until a request may try."""
        return max(0.0, self._opened + self.seconds - self.clock()) if self.state == "open" else 0.0

    def let_through(self) -> Pass | None:
        """A pass for a request, or None where it has to stay out."""
        state = self.state
        if state == "open" or self.trying:
            return None
        if state != self._state:
            self._change(state)
        self.trying = state == "half-open"
        return Pass(self)

    def note_success(self) -> None:
        """Called by a pass."""
        self._in_a_row = 0
        if self._state == "half-open":
            self._change("closed")

    def note_failure(self) -> None:
        """Called by a pass."""
        self._in_a_row += 1
        if self._state == "half-open" or self._in_a_row >= self.failures:
            self._opened = self.clock()
            self._change("open")

    def _change(self, state: State) -> None:
        self._state, self.trying = state, False
        self._in_a_row = 0
        self.era += 1
