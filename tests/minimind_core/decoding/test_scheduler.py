"""The scheduler as a state machine: nobody starves, nothing leaks, every token is counted."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from minimind_core.decoding.blocks import BlockTables
from minimind_core.decoding.scheduler import HEAD_START, PRIORITIES, Chunk, QueueFull, Request, Scheduler
from minimind_core.errors import ConfigError

STOP = 3


@dataclasses.dataclass
class Seen:
    """What an onlooker notes of a request."""

    request: Request
    overtaken: int = 0
    read: int = 0


class Life(RuleBasedStateMachine):
    """Requests come, go, are cancelled and run late, in every order, with and without blocks."""

    @initialize(
        slots=st.integers(1, 4),
        limit=st.integers(1, 8),
        chunk=st.integers(1, 5),
        extra=st.integers(1, 6),
        every=st.integers(1, 3),
        paged=st.booleans(),
    )
    def begin(self, slots: int, limit: int, chunk: int, extra: int, every: int, paged: bool) -> None:
        self.blocks = BlockTables(8, 2) if paged else None
        self.scheduler = Scheduler(
            slots,
            queue_limit=limit,
            prefill_chunk=chunk,
            step_tokens=slots + extra,
            read_every=every,
            blocks=self.blocks,
        )
        self.seen: list[Seen] = []
        self.refused = self.found = 0
        self.now = 0.0

    def live(self) -> list[Seen]:
        return [each for each in self.seen if each.request.finish is None]

    @rule(
        prompt=st.lists(st.integers(1, 2), min_size=1, max_size=9),
        new=st.integers(1, 6),
        priority=st.sampled_from([0, 0, 0, 1, 9]),
        patience=st.one_of(st.none(), st.integers(1, 30)),
    )
    def submit(self, prompt: list[int], new: int, priority: int, patience: int | None) -> None:
        deadline = None if patience is None else self.now + patience
        request = Request(
            len(self.seen) + self.refused, prompt, new, priority=priority, deadline=deadline, stop_ids={STOP}
        )
        full = len(self.scheduler.waiting) == self.scheduler.queue_limit
        try:
            self.scheduler.submit(request)
        except QueueFull:
            assert full
            self.refused += 1
        else:
            assert not full
            self.seen.append(Seen(request))

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.scheduler.end(data.draw(st.sampled_from(self.live())).request, "cancelled")

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        self.advance(lambda: data.draw(st.sampled_from([1, 2, STOP])))

    def advance(self, token: object) -> None:
        self.now += 1
        for late in self.scheduler.late(self.now):
            self.scheduler.end(late, "deadline")
        plan = self.scheduler.plan()
        assert plan.tokens <= self.scheduler.step_tokens
        assert plan.tokens or not self.scheduler.running
        for request in plan.admitted:
            self.note_overtaking(request)
        for chunk in plan.chunks:
            self.note_chunk(chunk)
        for request in plan.decoding:
            assert request.read == len(request.prompt) - 1
            self.scheduler.choose([request], [token()])  # type: ignore[operator]

    def note_overtaking(self, admitted: Request) -> None:
        self.found += admitted.found
        for each in self.seen:
            if each.request.id < admitted.id and each.request in self.scheduler.waiting:
                each.overtaken += 1

    def note_chunk(self, chunk: Chunk) -> None:
        (seen,) = [each for each in self.seen if each.request is chunk.request]
        assert chunk.start == seen.read + chunk.request.found < chunk.end < len(chunk.request.prompt)
        assert chunk.end - chunk.start <= self.scheduler.prefill_chunk
        seen.read += chunk.end - chunk.start
        self.scheduler.chunk_written(chunk)

    @invariant()
    def nothing_leaks(self) -> None:
        running = self.scheduler.running.values()
        slots = [request.slot for request in running]
        assert len(set(slots)) == len(slots) == self.scheduler.used_slots <= self.scheduler.num_slots
        if self.blocks:
            assert set(self.blocks.owners) == set(self.scheduler.running)

    @invariant()
    def accounts_are_exact(self) -> None:
        scheduler, requests = self.scheduler, [each.request for each in self.seen]
        assert scheduler.submitted == len(requests)
        assert len(requests) == sum(scheduler.finished.values()) + len(self.live())
        assert len(self.live()) == len(scheduler.waiting) + len(scheduler.running)
        assert scheduler.new_tokens == sum(len(request.new_ids) for request in requests)
        assert scheduler.prompt_tokens == sum(each.read for each in self.seen)
        assert scheduler.found_tokens == self.found

    @invariant()
    def nobody_is_overtaken_for_ever(self) -> None:
        for each in self.seen:
            assert each.overtaken <= HEAD_START * (PRIORITIES[-1] - each.request.priority)

    @invariant()
    def requests_end_as_they_should(self) -> None:
        for request in [each.request for each in self.seen]:
            stopped, full = STOP in request.new_ids, len(request.new_ids) == request.max_new_tokens
            assert (request.finish == "stop") == stopped and request.new_ids.count(STOP) <= 1
            assert (request.finish == "length") == (full and not stopped)
            assert request.finish != "deadline" or request.deadline is not None

    def teardown(self) -> None:
        if not hasattr(self, "scheduler"):
            return
        work = sum(len(each.request.prompt) + each.request.max_new_tokens for each in self.live())
        for _ in range(work):
            if self.scheduler.idle:
                break
            self.advance(lambda: 1)
        assert self.scheduler.idle and self.scheduler.used_slots == 0
        if self.blocks:
            assert self.blocks.used == 0 and self.blocks.fits([1], 16)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def scheduler(**options: int) -> Scheduler:
    return Scheduler(**{"num_slots": 2, "queue_limit": 99, "prefill_chunk": 4, **options})


def test_a_long_prompt_is_read_beside_a_running_request() -> None:
    running, long = Request(0, [1], 9), Request(1, range(10), 2)
    ours = scheduler()
    ours.submit(running)
    assert ours.plan().decoding == [running]
    ours.submit(long)
    plans = [ours.plan() for _ in range(3)]
    assert [[chunk[1:] for chunk in plan.chunks] for plan in plans] == [[(0, 4)], [(4, 8)], [(8, 9)]]
    assert [plan.decoding for plan in plans] == [[running], [running], [running, long]]


def test_prompts_are_read_in_some_steps_only_unless_there_is_nothing_else_to_do() -> None:
    ours = scheduler(read_every=3)
    ours.submit(Request(0, [1, 1], 9))
    ours.plan()
    ours.submit(Request(1, range(10), 2))
    assert [len(ours.plan().chunks) for _ in range(6)] == [0, 0, 1, 0, 0, 1]
    ours.end(ours.running[0], "cancelled")
    assert ours.plan().chunks


def test_a_priority_is_a_head_start_and_no_more() -> None:
    ours = scheduler(num_slots=1)
    requests = [Request(0, [1], 1), *(Request(id, [1], 1, priority=1) for id in range(1, 2 * HEAD_START))]
    for request in requests:
        ours.submit(request)
    order = []
    while not ours.idle:
        (request,) = ours.plan().decoding
        order.append(request.id)
        ours.choose([request], [1])
    assert order[0] == 1 and order.index(0) == HEAD_START - 1


def test_a_large_request_at_the_head_is_not_passed_by_small_ones() -> None:
    ours = scheduler(num_slots=3)
    ours.blocks = BlockTables(4, 2)
    first, large, small = Request(0, [1, 1], 3), Request(1, [1], 8), Request(2, [1], 1)
    for request in (first, large, small):
        ours.submit(request)
    assert ours.plan().admitted == [first]
    ours.end(first, "cancelled")
    assert ours.plan().admitted == [large]


def test_what_could_never_run_is_refused_at_once() -> None:
    ours = scheduler()
    ours.blocks = BlockTables(2, 2)
    with pytest.raises(ConfigError, match="need 3 blocks; this engine has 2"):
        ours.submit(Request(0, [1, 2, 3], 3))
    with pytest.raises(ConfigError, match="from 0 to 9"):
        ours.submit(Request(0, [1], 1, priority=10))
    with pytest.raises(ConfigError, match="more than the 2 slots"):
        scheduler(step_tokens=2)
    with pytest.raises(ConfigError, match="prefill_chunk must be at least 1"):
        scheduler(prefill_chunk=0)
    assert ours.submitted == 0 and ours.idle
