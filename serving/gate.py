"""How many requests are in here: a bound that is exact, and the drain before an end. One thread owns it."""

from __future__ import annotations

from serving.errors import Draining, QueueIsFull

WEIGHT = 0.1
"""Of the newest request in the running mean of how long one takes."""


class Gate:
    """Lets `slots` requests run and `queue` wait.

    Both together are counted here and not in the backend, so that the bound also holds for one that has none.
    """

    def __init__(self, slots: int, queue: int) -> None:
        self.slots, self.queue = slots, queue
        self.in_flight = 0
        self.draining = False
        self._mean_seconds = 0.0

    @property
    def waiting(self) -> int:
        """Requests beyond the slots."""
        return max(0, self.in_flight - self.slots)

    @property
    def retry_after(self) -> float:
        """Seconds until those in here will have gone, by the mean of those before (Little 1961)."""
        return self._mean_seconds * self.in_flight / self.slots

    def enter(self) -> None:
        """Count a request in. Raises Draining, QueueIsFull."""
        if self.draining:
            raise Draining("The service is about to stop; ask another one.", retry_after=1)
        if self.in_flight >= self.slots + self.queue:
            raise QueueIsFull(
                f"{self.in_flight} requests are in here already; try again after the seconds in Retry-After.",
                retry_after=self.retry_after,
            )
        self.in_flight += 1

    def leave(self, seconds: float) -> None:
        """Count out a request that took so long."""
        self.in_flight -= 1
        weight = WEIGHT if self._mean_seconds else 1.0
        self._mean_seconds += weight * (seconds - self._mean_seconds)
