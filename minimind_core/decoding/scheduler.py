"""Who is read and who is continued in each step of the engine: a queue, slots, chunks of prompts. No tensors.

Continuous batching (Orca, Yu et al. 2022): whoever ends makes room at once. Prompts are read in chunks
beside the running requests, within a budget of tokens a step (Sarathi-Serve, Agrawal et al. 2024), so that a
long prompt delays nobody by more than that. A running request is continued in every step until it ends; none
is paused.

Fair: one queue, ordered by arrival. A priority is a head start of `HEAD_START` arrivals a level, so that
whoever waits is overtaken by a bounded number of later requests and nobody starves. The first of the queue
is never passed by a smaller one that would fit. Knows no clock: whoever calls says what time it is.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

from minimind_core.decoding.blocks import BlockTables
from minimind_core.errors import ConfigError, MiniMindError, require

PRIORITIES = range(10)
HEAD_START = 16
"""Earlier arrivals that one level of priority passes."""

NO_SLOT = -1
"""Of a request that still waits."""

FinishReason = Literal["stop", "length", "cancelled", "deadline", "error"]
"""An end-of-text token; all tokens that were asked for; cancelled; too late; logits without a candidate."""


class QueueFull(MiniMindError):
    """As many requests wait as may wait; try again later."""


class Request:
    """One prompt and what became of it. `sampling` is whatever the engine makes tokens with."""

    def __init__(
        self,
        id: int,
        prompt: Sequence[int],
        max_new_tokens: int,
        *,
        priority: int = 0,
        deadline: float | None = None,
        stop_ids: Collection[int] = (),
        sampling: Any = None,
    ) -> None:
        self.id, self.prompt, self.max_new_tokens = id, tuple(prompt), max_new_tokens
        self.priority, self.deadline = priority, deadline
        self.stop_ids, self.sampling = stop_ids, sampling
        self.slot = NO_SLOT
        self.found = 0
        """Tokens of the prompt that the prefix cache had."""
        self.read = 0
        """Tokens of the prompt that are in the cache, or will be after the steps planned so far."""
        self.planned = 0
        """New tokens that the steps planned so far choose."""
        self.new_ids: list[int] = []
        self.finish: FinishReason | None = None

    @property
    def to_read(self) -> int:
        """Tokens of the prompt that are still to be read: all but the last, which the first new one needs."""
        return len(self.prompt) - 1 - self.read

    @property
    def places(self) -> int:
        """Places in a cache that it may come to need: the last new token is chosen, but never read."""
        return len(self.prompt) + self.max_new_tokens - 1


class Chunk(NamedTuple):
    """A piece of a prompt, prompt[start:end], to be read in one step."""

    request: Request
    start: int
    end: int


class Plan(NamedTuple):
    """One step."""

    admitted: list[Request]
    """Those that have just been given a slot."""
    chunks: list[Chunk]
    """To be read first."""
    decoding: list[Request]
    """Each then gets one more token."""
    grown: list[Request]
    """Those that have been given a block of a paged cache."""

    @property
    def tokens(self) -> int:
        """Tokens that the model reads in this step."""
        return len(self.decoding) + sum(chunk.end - chunk.start for chunk in self.chunks)


class Scheduler:
    """Plans steps for `num_slots` requests at once and at most `queue_limit` that wait.

    `prefill_chunk` is the longest piece of one prompt in a step, `step_tokens` all that is read in a step, by
    default every slot's new token and one chunk. Prompts are read in every `read_every`-th step, and whenever
    there is nothing else to do: on a GPU a few chunks cost as much as many. With `blocks` a request also
    needs its blocks to be let in.
    """

    def __init__(
        self,
        num_slots: int,
        *,
        queue_limit: int,
        prefill_chunk: int,
        step_tokens: int | None = None,
        read_every: int = 1,
        blocks: BlockTables | None = None,
    ) -> None:
        step_tokens = num_slots + prefill_chunk if step_tokens is None else step_tokens
        for name, value in (
            ("num_slots", num_slots),
            ("queue_limit", queue_limit),
            ("prefill_chunk", prefill_chunk),
            ("read_every", read_every),
        ):
            require(value >= 1, f"{name} must be at least 1, not {value}.")
        require(
            step_tokens > num_slots,
            f"step_tokens must be more than the {num_slots} slots, or prompts would never be read.",
        )
        self.num_slots, self.queue_limit = num_slots, queue_limit
        self.prefill_chunk, self.step_tokens, self.read_every = prefill_chunk, step_tokens, read_every
        self.blocks = blocks
        self.waiting: list[Request] = []
        self.running: dict[int, Request] = {}
        """By id, in the order of admission."""
        self.finished: Counter[FinishReason] = Counter()
        self.submitted = self.prompt_tokens = self.found_tokens = self.new_tokens = 0
        self._steps = 0
        self._timed: dict[Request, float] = {}
        self._free_slots = list(range(num_slots))  # sorted: low slots first, so that a batch stays dense

    @property
    def used_slots(self) -> int:
        """Slots that a request holds."""
        return self.num_slots - len(self._free_slots)

    @property
    def idle(self) -> bool:
        """Nobody waits and nobody runs."""
        return not self.waiting and not self.running

    def submit(self, request: Request) -> None:
        """Put a request into the queue.

        Raises QueueFull where `queue_limit` wait already, ConfigError for one that could never be let in.
        """
        require(
            request.priority in PRIORITIES,
            f"Priority must be a whole number from {PRIORITIES[0]} to {PRIORITIES[-1]}, "
            f"not {request.priority!r:.20}.",
        )
        if self.blocks and self.blocks.blocks_for(request.places) > self.blocks.num_blocks:
            raise ConfigError(
                f"Prompt and new tokens need {self.blocks.blocks_for(request.places)} blocks; "
                f"this engine has {self.blocks.num_blocks}: shorten them."
            )
        if len(self.waiting) >= self.queue_limit:
            raise QueueFull(f"{self.queue_limit} requests wait already; try again later.")
        self.submitted += 1
        bisect.insort(self.waiting, request, key=_turn)
        if request.deadline is not None:
            self._timed[request] = request.deadline

    def plan(self) -> Plan:
        """Decide the next step; what it gives is counted as done."""
        reads = self._steps % self.read_every == 0 or not any(each.planned for each in self.running.values())
        self._steps += 1
        admitted = self._admit() if reads else []  # a slot is of no use before its prompt is read
        left = self.step_tokens - len(self.running)  # each running request may take one
        chunks, decoding, grown = [], [], []
        for request in self.running.values():
            if reads and not request.planned and request.to_read and left:
                size = min(request.to_read, self.prefill_chunk, left)
                chunks.append(Chunk(request, request.read, request.read + size))
                request.read += size
                self.prompt_tokens += size
                left -= size
            if request.planned < request.max_new_tokens and (request.planned or not request.to_read):
                request.planned += 1
                decoding.append(request)
            if self.blocks and self.blocks.extend(request.id, request.read + request.planned):
                grown.append(request)
        return Plan(admitted, chunks, decoding, grown)

    def choose(self, requests: Sequence[Request], tokens: Sequence[int]) -> None:
        """Note the next token of each of these running requests, and end those that end with it."""
        for request, token in zip(requests, tokens, strict=True):
            request.new_ids.append(token)
            if self.blocks:
                self._note_written(request)
            if token in request.stop_ids:
                self.end(request, "stop")
            elif len(request.new_ids) == request.max_new_tokens:
                self.end(request, "length")
        self.new_tokens += len(requests)

    def chunk_written(self, chunk: Chunk) -> None:
        """Note that a chunk's keys and values are there for every later step."""
        if self.blocks:
            self.blocks.written(chunk.request.id, chunk.request.prompt[: chunk.end])

    def end(self, request: Request, reason: FinishReason) -> None:
        """End a request that waits or runs, and take back all it holds."""
        assert request.finish is None, request.id
        if request.slot == NO_SLOT:
            self.waiting.pop(bisect.bisect_left(self.waiting, _turn(request), key=_turn))
        else:
            del self.running[request.id]
            bisect.insort(self._free_slots, request.slot)
            if self.blocks:
                self.blocks.close(request.id, keep=reason != "error")
        self._timed.pop(request, None)
        request.finish = reason
        self.finished[reason] += 1

    def late(self, now: float) -> list[Request]:
        """The requests whose deadline has passed."""
        return [request for request, deadline in self._timed.items() if deadline <= now]

    def _admit(self) -> list[Request]:
        admitted = []
        while self.waiting and self._free_slots:
            request = self.waiting[0]
            if self.blocks:
                if not self.blocks.fits(request.prompt, request.places):
                    break
                request.found = request.read = self.blocks.open(request.id, request.prompt, request.places)
                self.found_tokens += request.found
            del self.waiting[0]
            request.slot = self._free_slots.pop(0)
            self.running[request.id] = request
            admitted.append(request)
        return admitted

    def _note_written(self, request: Request) -> None:
        """Once its newest token fills a block: the tokens before it are written, and so can be found."""
        written = len(request.prompt) + len(request.new_ids) - 1
        assert self.blocks is not None
        if written % self.blocks.block_size == 0:
            self.blocks.written(request.id, [*request.prompt, *request.new_ids[:-1]])


def _turn(request: Request) -> tuple[int, int]:
    """Sorts the queue; ids count arrivals."""
    return request.id - HEAD_START * request.priority, request.id
