"""A load test: when its requests are due, who sends them, and what came back of them so far."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from serving.load.completions import Completions, Reply
from serving.load.loops import Sent, closed_loop, open_loop


@dataclass(frozen=True)
class Plan:
    """Requests due at these seconds, all below `seconds`; those before `warmup` do not count.

    `clients` 0 is an open loop. Else so many clients wait for their answers; together they would send at
    `rate` if no answer took any time.
    """

    due: list[float]
    seconds: float
    warmup: float
    clients: int = 0
    rate: float = 0.0


@dataclass
class LoadTest:
    """A plan under way: requests that are over in the order of their ends, and how long it has run."""

    plan: Plan
    sent: list[Sent[Reply]] = field(default_factory=list)
    started: int = 0
    elapsed: float = 0.0
    interrupted: bool = False

    async def run(self, completions: Completions, on_progress: Callable[[int, int], None]) -> None:
        """Send everything, and wait for the answers. Cancelled, it keeps what has come back."""
        loop, plan = asyncio.get_running_loop(), self.plan
        began = loop.time()

        def hear() -> None:
            on_progress(len(self.sent), len(plan.due))

        try:
            if plan.clients:
                pause = plan.clients / plan.rate
                await closed_loop(
                    completions.send, pause, plan.seconds, self.sent, hear, clients=plan.clients
                )
            else:
                await open_loop(completions.send, plan.due, self.sent, hear)
        except asyncio.CancelledError:
            self.interrupted = True
            raise
        finally:
            self.started, self.elapsed = completions.started, loop.time() - began
            await completions.close()

    @property
    def window(self) -> float:
        """Seconds that count: after the warm-up, while requests were sent."""
        end = min(self.plan.seconds, self.elapsed) if self.interrupted else self.plan.seconds
        return max(0.0, end - self.plan.warmup)

    @property
    def counted(self) -> list[Sent[Reply]]:
        """The requests of the window that are over: due in it, or sent in it by a loop that lags behind."""
        closed = bool(self.plan.clients)
        return [one for one in self.sent if (one.gone if closed else one.due) >= self.plan.warmup]
