"""The engine under a load that never ends, so that its steps can be timed at any batch. Imports torch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from labs.q14_serving.curves import SECOND, Line, fit
from minimind_core.decoding.engine import Engine
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.model.minimind import MiniMind

PROMPT_TOKENS = 16
LENGTH = 512
FIRST_ID = 100
ROUNDS = 12


def prompt(number: int) -> list[int]:
    """Ids of a prompt that no other number has; what they say does not change a step's time."""
    return [FIRST_ID + (number + place) % 1000 for place in range(PROMPT_TOKENS)]


class FullBatch:
    """An engine in which `rows` requests always run; those that end are replaced."""

    def __init__(self, model: MiniMind, rows: int) -> None:
        self.engine, self.rows = Engine(model, num_slots=rows, max_length=LENGTH), rows
        self.number = self.running = 0

    def step(self) -> None:
        """One step of the engine, of all rows."""
        while self.running < self.rows:
            self.engine.submit(
                prompt(self.number),
                SamplingParams(temperature=0),
                max_new_tokens=LENGTH - PROMPT_TOKENS,
                stop_ids=(),
            )
            self.number += 1
            self.running += 1
        self.running -= sum(event.finish is not None for event in self.engine.step())

    def fill(self, hear: Callable[[], object] = lambda: None) -> None:
        """Read the prompts, so that the next step only decodes; `hear` may raise between two steps."""
        while self.engine.stats().batch_size < self.rows:
            hear()
            self.step()


def timed_line(model: MiniMind, batches: Sequence[int], hear: Callable[[float], None]) -> tuple[Line, float]:
    """The line of the engine's step by the wall clock, and the milliseconds to read a prompt.

    The wall clock, for a request waits by it: whatever else this machine does is part of the line.
    """
    steps = []
    for index, rows in enumerate(batches):
        full = FullBatch(model, rows)
        full.fill()
        steps.append(_median_ms(full.step))
        hear((index + 1) / (len(batches) + 1))
    line = fit(batches, steps)
    engine = Engine(model, num_slots=1, max_length=LENGTH)

    def one_token() -> None:
        engine.submit(prompt(0), SamplingParams(temperature=0), max_new_tokens=1, stop_ids=())
        engine.run_until_idle()

    one_token()
    reading = max(0.0, _median_ms(one_token) - line.step(1))
    hear(1.0)
    return line, reading


def _median_ms(call: Callable[[], None]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        times.append(SECOND * (time.perf_counter() - began))
    return statistics.median(times)
