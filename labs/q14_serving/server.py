"""Our engine as a small server inside this process, which can be frozen. Imports torch.

No network and no text: `serve` in a thread of its own steps, an event loop sends and awaits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from labs.q14_serving.calibration import LENGTH, prompt
from minimind_core.decoding.engine import Engine, QueueFull
from minimind_core.decoding.engine_thread import EngineThread
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.model.minimind import MiniMind
from serving.load.loops import Send


class Server:
    """Hands requests to the engine; while it is frozen it takes nothing in."""

    def __init__(self, front: EngineThread) -> None:
        self.front, self.number = front, 0

    def sender(self, tokens: int, freeze: tuple[float, float], at_least: float = 0.0) -> Send[str]:
        """Sends a request for so many tokens; `freeze` in seconds from now on.

        No reply takes less than `at_least` seconds.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def send() -> str:
            now = loop.time()
            if freeze[0] <= now - began < freeze[1]:
                await asyncio.sleep(began + freeze[1] - now)
            fate = await self._generate(tokens)
            await asyncio.sleep(max(0.0, now + at_least - loop.time()))
            return fate

        return send

    async def _generate(self, tokens: int) -> str:
        self.number += 1
        try:
            stream = await self.front.submit_async(
                prompt(self.number), SamplingParams(temperature=0), max_new_tokens=tokens, stop_ids=()
            )
        except QueueFull:
            return "rejected"
        try:
            events = [event async for event in stream]
        except asyncio.CancelledError:
            stream.cancel()
            raise
        return "answered" if events[-1].finish == "length" else "expired"


@contextmanager
def serving(model: MiniMind, slots: int, queue: int) -> Iterator[Server]:
    """A server that has answered once, so that nobody pays for its start. Ends what still runs at the end."""
    engine = Engine(model, num_slots=slots, max_length=LENGTH, queue_limit=queue)
    with EngineThread(engine) as front:
        for _ in front.submit(prompt(0), SamplingParams(temperature=0), max_new_tokens=2, stop_ids=()):
            pass
        yield Server(front)
