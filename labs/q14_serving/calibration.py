"""The engine under a load that never ends, so that its steps can be timed at any batch. Imports torch."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial

import torch

from labs.q14_serving.curves import SECOND, Line, fit
from labs.tools.interleaved import seconds_a_call
from minimind_core.decoding.engine import Engine, TokenEvent
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.model.minimind import MiniMind

PROMPT_TOKENS = 16
LENGTH = 512
FIRST_ID = 100
ROUNDS = 12
GREEDY = SamplingParams(temperature=0)


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
                prompt(self.number), GREEDY, max_new_tokens=LENGTH - PROMPT_TOKENS, stop_ids=()
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
    """The line of the engine's step, and the milliseconds to read a prompt; `hear` is told the share done."""
    device, steps = model.device, list[float]()
    for index, rows in enumerate(batches):
        full = FullBatch(model, rows)
        full.fill(partial(hear, index / (len(batches) + 1)))
        steps.append(_median_ms(full.step, device))
    line = fit(batches, steps)
    engine = Engine(model, num_slots=1, max_length=LENGTH)

    def one_token() -> None:
        engine.submit(prompt(0), GREEDY, max_new_tokens=1, stop_ids=())
        engine.run_until_idle()

    one_token()
    reading = max(0.0, _median_ms(one_token, device) - line.step(1))
    hear(1.0)
    return line, reading


def replay(
    model: MiniMind, slots: int, due: Sequence[float], tokens: int, hear: Callable[[float], None]
) -> list[float]:
    """When each request ends, in milliseconds, if they arrive at `due` and only the engine's steps take time.

    Every step is real and its time is taken as in `timed_line`; the clock between them is made up. So it
    shows what the model of a step leaves out, and not what else this machine does.
    """
    engine = Engine(model, num_slots=slots, max_length=LENGTH, queue_limit=len(due))
    device, now, number = model.device, 0.0, 0
    ends = [0.0] * len(due)
    ids: dict[int, int] = {}
    while len(ids) < len(due) or not engine.idle:
        if engine.idle:
            now = max(now, due[number])
        while number < len(due) and due[number] <= now:
            ids[engine.submit(prompt(number), GREEDY, max_new_tokens=tokens, stop_ids=())] = number
            number += 1
        events = list[TokenEvent]()
        now += SECOND * seconds_a_call(lambda: events.extend(engine.step()), 1, device)  # noqa: B023
        for event in events:
            if event.finish is not None:
                ends[ids[event.request_id]] = now
        hear(number / len(due))
    return ends


def _median_ms(call: Callable[[], None], device: torch.device) -> float:
    return SECOND * statistics.median(seconds_a_call(call, 1, device) for _ in range(ROUNDS))
