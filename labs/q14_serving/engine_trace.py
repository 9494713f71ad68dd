"""Our engine under given arrivals, its own steps as the clock: who had which slot when. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from labs.q14_serving.calibration import FIRST_ID, GREEDY
from labs.q14_serving.slots import Stay
from minimind_core.decoding.engine import Engine
from minimind_core.decoding.scheduler import NO_SLOT, Request
from minimind_core.model.minimind import MiniMind


class Wish(NamedTuple):
    """A request: the step from which it can be served, and the tokens of its prompt and of its answer."""

    arrival: float
    prompt: int
    answer: int


def trace(
    model: MiniMind,
    wishes: Sequence[Wish],
    slots: int,
    chunk: int,
    hear: Callable[[float], None],
    *,
    static: bool = False,
) -> list[Stay]:
    """Serve them all, in order of arrival; an answer ends after its tokens, whatever they say.

    `static` hands the engine as many as it has slots, and the next only once all of these have ended, as who
    calls a model's `generate` does: their answers come back together. `hear` is told the share done.
    """
    longest = max(wish.prompt + wish.answer for wish in wishes)
    engine = Engine(model, num_slots=slots, max_length=longest, prefill_chunk=chunk, ahead=0)
    requests: dict[int, Request] = {}
    admitted, first, end, back = (dict[int, int]() for _ in range(4))
    step = handed = 0
    while len(end) < len(wishes):
        if engine.idle:
            step = max(step, math.ceil(wishes[handed].arrival))
        arrived = sum(wish.arrival <= step for wish in wishes)
        if not static or engine.idle:
            for wish in wishes[handed : min(arrived, handed + slots) if static else arrived]:
                requests[handed] = _submit(engine, wish)
                handed += 1
        events = engine.step()
        for number, request in requests.items():
            if request.slot != NO_SLOT:
                admitted.setdefault(number, step)
        step += 1
        for event in events:
            first.setdefault(event.request_id, step)
            if event.finish is not None:
                end[event.request_id] = step
        if not static or engine.idle:
            back |= {number: step for number in end if number not in back}
        hear(len(end) / len(wishes))
    return [
        Stay(wish.arrival, requests[n].slot, admitted[n], first[n], end[n], back[n])
        for n, wish in enumerate(wishes)
    ]


def _submit(engine: Engine, wish: Wish) -> Request:
    """Ids of an engine count its requests, so they are the wishes' own numbers."""
    request_id = engine.submit([FIRST_ID] * wish.prompt, GREEDY, max_new_tokens=wish.answer, stop_ids=())
    return next(request for request in engine.scheduler.waiting if request.id == request_id)
