"""Many requests at once: continuous batching over static slots or a paged cache, one step at a time.

    engine = Engine(model, num_slots=8, max_length=512)
    first = engine.submit(prompt_ids, SamplingParams(0.8, seed=1), max_new_tokens=50)
    events = engine.run_until_idle()

A request has the tokens that it would have alone, whoever else is in its batch: its noise is its own
(`request_noise.py`), and only sums are rounded otherwise. Who runs when is decided in `scheduler.py`, what
runs on the device is in `slot_batch.py`. On CUDA the next step is launched before the tokens of the last are
looked at, so that the device never waits for Python; a request that stops is then noticed one step late, and
the surplus token is dropped.

One thread owns an engine; `engine_thread.py` lets others in.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from minimind_core.decoding.blocks import DEFAULT_BLOCK_SIZE, BlockTables, Occupancy, occupancy
from minimind_core.decoding.generate import check_prompts
from minimind_core.decoding.host_copy import HostCopy
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.decoding.scheduler import FinishReason, Plan, QueueFull, Request, Scheduler
from minimind_core.decoding.slot_batch import NO_TOKEN, SlotBatch
from minimind_core.decoding.step import StepKind
from minimind_core.model.minimind import MiniMind

__all__ = ["Engine", "EngineStats", "FinishReason", "QueueFull", "TokenEvent"]


class TokenEvent(NamedTuple):
    """One token of a request, or its end."""

    request_id: int
    token: int | None
    """None where a request ends without one: cancelled, past its deadline, or broken."""
    finish: FinishReason | None
    """Why this was the last event of the request; None where more follow."""


@dataclass(frozen=True)
class EngineStats:
    """Where an engine stands, and what it has done since it was made."""

    slots: int
    slots_used: int
    waiting: int
    batch_size: int
    """Requests that got a token in the last step."""
    steps: int
    submitted: int
    finished: dict[FinishReason, int]
    prompt_tokens: int
    """Read; those that the prefix cache had are not among them."""
    found_tokens: int
    """Prompt tokens that the prefix cache had."""
    new_tokens: int
    occupancy: Occupancy
    """Places taken by the requests that run, and the tokens in them; static slots are taken whole."""
    blocks_used: int
    blocks_free: int
    blocks_shared: int
    """Blocks of the paged cache; all 0 with static slots."""


class Engine:
    """Continues up to `num_slots` requests together; `queue_limit` more may wait.

    max_length: most tokens of prompt and answer together. prefill_chunk, step_tokens, read_every: how prompts
    are read, see `Scheduler`. kind: how a step is run, see `step.py`; by default as CUDA graphs on CUDA.
    paged: blocks of `block_size` places, shared by equal beginnings, `num_blocks` of them (by default as many
    as the static slots would take). stop_ids end a request (by default the end-of-text token). ahead: steps
    launched before one is looked at, by default 1 on CUDA. Raises ConfigError for sizes that cannot work.
    """

    def __init__(
        self,
        model: MiniMind,
        *,
        num_slots: int = 8,
        max_length: int = 512,
        prefill_chunk: int = 128,
        queue_limit: int = 1000,
        paged: bool = False,
        block_size: int = DEFAULT_BLOCK_SIZE,
        num_blocks: int | None = None,
        step_tokens: int | None = None,
        read_every: int = 1,
        kind: StepKind | None = None,
        stop_ids: Collection[int] | None = None,
        ahead: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model, self.max_length = model.eval(), max_length
        on_cuda = model.device.type == "cuda"
        self.blocks = (
            BlockTables(num_blocks or num_slots * -(-max_length // block_size), block_size) if paged else None
        )
        self.scheduler = Scheduler(
            num_slots,
            queue_limit=queue_limit,
            prefill_chunk=prefill_chunk,
            step_tokens=step_tokens,
            read_every=read_every,
            blocks=self.blocks,
        )
        kind = kind or ("graph" if on_cuda else "eager")
        self.batch = SlotBatch(model, num_slots, max_length, prefill_chunk, kind, self.blocks)
        self.stop_ids = frozenset([model.config.eos_id] if stop_ids is None else stop_ids)
        self.ahead = int(on_cuda) if ahead is None else ahead
        self.clock = clock
        self.steps = self._batch_size = self._next_id = 0
        self._live: dict[int, Request] = {}
        self._rows: dict[int, Request] = {}  # what each row of the batch serves
        self._over: list[Request] = []  # whose rows have nothing more to do
        self._flights: deque[tuple[list[Request], HostCopy]] = deque()  # nobody has looked at these yet
        self._events: list[TokenEvent] = []

    def submit(
        self,
        prompt_ids: Sequence[int],
        sampling: SamplingParams,
        *,
        max_new_tokens: int,
        priority: int = 0,
        deadline: float | None = None,
        stop_ids: Collection[int] | None = None,
    ) -> int:
        """Put a request into the queue; returns its id, by which its events are known.

        priority: 0 to 9, a bounded head start. deadline: on the engine's clock (time.monotonic() unless
        another was given); a request that is not done by then ends. Raises QueueFull where too many wait,
        ConfigError as `Generator.generate` does.
        """
        check_prompts(self.model.config, [prompt_ids], max_new_tokens, self.max_length)
        request = Request(
            self._next_id,
            prompt_ids,
            max_new_tokens,
            priority=priority,
            deadline=deadline,
            stop_ids=self.stop_ids if stop_ids is None else frozenset(stop_ids),
            sampling=sampling,
        )
        self.scheduler.submit(request)
        self._next_id += 1
        self._live[request.id] = request
        return request.id

    def cancel(self, request_id: int) -> bool:
        """End a request now; the next step tells of it. False where it has ended already."""
        request = self._live.get(request_id)
        if request is not None:
            self._end(request, "cancelled")
        return request is not None

    def step(self) -> list[TokenEvent]:
        """Let every running request go on by a token or a chunk; returns what became known."""
        for request in self.scheduler.late(self.clock()):
            self._end(request, "deadline")
        plan = self.scheduler.plan()
        self._batch_size = len(plan.decoding)
        if plan.tokens:
            self.steps += 1
            self._launch(plan)
        while len(self._flights) > (self.ahead if plan.decoding else 0):
            self._land(*self._flights.popleft())
        events, self._events = self._events, []
        return events

    @property
    def idle(self) -> bool:
        """Nothing waits, runs or is still to be told."""
        return self.scheduler.idle and not self._events

    def run_until_idle(self) -> list[TokenEvent]:
        """Step until every request has ended; returns all events."""
        events = []
        while not self.idle:
            events += self.step()
        return events

    def stats(self) -> EngineStats:
        """Where it stands now."""
        scheduler, blocks = self.scheduler, self.blocks
        lengths = [request.read + request.planned for request in scheduler.running.values()]
        return EngineStats(
            slots=scheduler.num_slots,
            slots_used=scheduler.used_slots,
            waiting=len(scheduler.waiting),
            batch_size=self._batch_size,
            steps=self.steps,
            submitted=scheduler.submitted,
            finished=dict(scheduler.finished),
            prompt_tokens=scheduler.prompt_tokens,
            found_tokens=scheduler.found_tokens,
            new_tokens=scheduler.new_tokens,
            occupancy=blocks.occupancy() if blocks else occupancy(lengths, self.max_length),
            blocks_used=blocks.used if blocks else 0,
            blocks_free=blocks.free if blocks else 0,
            blocks_shared=blocks.shared if blocks else 0,
        )

    def _launch(self, plan: Plan) -> None:
        """Bring the rows of the batch in line with the plan, and run it."""
        batch, decoding = self.batch, plan.decoding
        self._release()
        if plan.admitted:
            slots = _slots(plan.admitted)
            batch.admit(slots, [request.found for request in plan.admitted])
            self._rows.update(zip(slots, plan.admitted, strict=True))
        if self.blocks and plan.grown:
            batch.set_tables(_slots(plan.grown), [self.blocks.table(request.id) for request in plan.grown])
        if plan.chunks:
            self._read(plan)
        starting = [request for request in decoding if request.planned == 1]
        if starting:
            batch.start(
                _slots(starting),
                [request.prompt for request in starting],
                [request.sampling for request in starting],
            )
        if decoding:
            someone_reads = len(self._rows) > len(decoding)
            longest = max(request.read + request.planned for request in decoding)
            tokens = batch.decode(_slots(decoding), self.max_length if someone_reads else longest)
            self._flights.append((decoding, tokens))
            self._over += [request for request in decoding if request.planned == request.max_new_tokens]

    def _release(self) -> None:
        """Take the rows out of the batch whose request has ended, or has all its tokens under way."""
        gone = {request.slot for request in self._over if self._rows.get(request.slot) is request}
        self._over.clear()
        if gone:
            self.batch.release(list(gone))
        for slot in gone:
            del self._rows[slot]

    def _read(self, plan: Plan) -> None:
        self.batch.read(
            [chunk.request.slot for chunk in plan.chunks],
            [chunk.start for chunk in plan.chunks],
            [chunk.request.prompt[chunk.start : chunk.end] for chunk in plan.chunks],
        )
        for chunk in plan.chunks:
            self.scheduler.chunk_written(chunk)

    def _land(self, requests: list[Request], new_tokens: HostCopy) -> None:
        """Look at the tokens of a step: tell of them, and end the requests that they end."""
        tokens = new_tokens.wait()
        running = [request for request in requests if request.finish is None]  # others were ended meanwhile
        if broken := [request for request in running if tokens[request.slot] == NO_TOKEN]:
            self._break(broken)
            running = [request for request in running if request.finish is None]
        chosen = [tokens[request.slot] for request in running]
        self.scheduler.choose(running, chosen)
        for request, token in zip(running, chosen, strict=True):
            self._events.append(TokenEvent(request.id, token, request.finish))
            if request.finish is not None:
                del self._live[request.id]
                self._over.append(request)

    def _break(self, requests: list[Request]) -> None:
        """End requests whose logits held no candidate, and clean what they leave behind."""
        blocks = self.blocks
        self.batch.clean(
            _slots(requests)
            if blocks is None
            else [block for request in requests for block in blocks.table(request.id)]
        )
        for request in requests:
            self._end(request, "error")

    def _end(self, request: Request, reason: FinishReason) -> None:
        self.scheduler.end(request, reason)
        del self._live[request.id]
        self._over.append(request)
        self._events.append(TokenEvent(request.id, None, reason))


def _slots(requests: Sequence[Request]) -> list[int]:
    return [request.slot for request in requests]
