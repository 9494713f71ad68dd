"""No request is lost, none answered twice, in whatever order workers come, stall, die and wake again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from serving.backends.backend import Piece, Usage
from serving.scaleout.stream import Depth, Entry, RequestStream, Unreachable
from serving.scaleout.wire import Said
from tests.serving.scaleout.redis_server import RedisServer, redis_server

NODE, TOKENS = "node", 3
WORKERS = ("a", "b", "c")


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


def said(request: str, at: int) -> Said:
    """The `at`-th piece of an answer of TOKENS pieces."""
    last = at == TOKENS - 1
    piece = Piece(str(at), (at,), "length" if last else None, Usage(1, TOKENS) if last else None)
    return Said(request, at, (piece,))


class Queue(RuleBasedStateMachine):
    """Requests, workers that may do anything at any moment, and the node that reads."""

    server: RedisServer
    held = Bundle("held")
    """(worker, entry, pieces said): what a worker believes it holds. Nothing tells it that it is wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stream = RequestStream(self.server.address, wait_seconds=0)
        self.call(self.stream._redis.flushall())
        self.call(self.stream.open())
        self.put_ids: dict[str, str] = {}
        self.cancelled: dict[str, int] = {}
        """By request how much had been said of it."""
        self.heard: list[Said] = []
        self.after = "0-0"

    def call(self, work: Any) -> Any:
        return self.runner.run(work)

    def about(self, request: str) -> list[Said]:
        return [what for what in self.heard if what.request == request]

    @rule()
    def put(self) -> None:
        request = str(len(self.put_ids))
        self.put_ids[request] = self.call(self.stream.put(request))

    @rule(target=held, worker=st.sampled_from(WORKERS))
    def take(self, worker: str) -> Any:
        entry = self.call(self.stream.take(worker))
        return multiple() if entry is None else (worker, entry, 0)

    @rule(target=held, worker=st.sampled_from(WORKERS))
    def take_over(self, worker: str) -> Any:
        """Every lease is over, also of those that are only slow."""
        return multiple(*((worker, entry, 0) for entry in self.call(self.stream.claim(worker, 0, 2))))

    @rule(target=held, holding=consumes(held), again=st.booleans())
    def say(self, holding: tuple[str, Entry, int], again: bool) -> Any:
        """The next piece; `again` where the answer of Redis was lost and the worker sends it once more."""
        worker, entry, at = holding
        if at == TOKENS:
            return multiple()
        results = [
            self.call(self.stream.say(worker, [(entry.id, NODE, said(entry.body, at))]))
            for _ in range(1 + again)
        ]
        return (worker, entry, at + 1) if results[0] == [True] else multiple()

    @rule(holding=consumes(held))
    def die(self, holding: Any) -> None:
        """What a worker knew is gone."""

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.put_ids:
            request = data.draw(st.sampled_from(sorted(self.put_ids)))
            self.call(self.stream.cancel(self.put_ids[request]))
            self.hear()
            self.cancelled[request] = len(self.about(request))

    @invariant()
    def hear(self) -> None:
        for entry, what in self.call(self.stream.answers(NODE, self.after)):
            self.after = entry
            self.heard.append(what)

    def teardown(self) -> None:
        """One last worker takes over what is left; then every answer is there, once."""
        while True:
            entries = self.call(self.stream.claim("last", 0, 10))
            entry = self.call(self.stream.take("last"))
            entries += [entry] if entry else []
            if not entries and self.call(self.stream.depth()) == Depth(0, 0):
                break
            for entry in entries:
                for at in range(TOKENS):
                    self.call(self.stream.say("last", [(entry.id, NODE, said(entry.body, at))]))
        self.hear()
        for request in self.put_ids:
            about = self.about(request)
            ends = [what.last for what in about]
            assert sum(ends) <= 1, f"{request} was answered {sum(ends)} times"
            if request in self.cancelled:
                assert len(about) == self.cancelled[request], f"{request} was cancelled, and went on"
            else:
                assert ends and ends[-1], f"{request} was lost"
        self.call(self.stream.close())
        self.runner.close()


def test_exactly_once(server: RedisServer) -> None:
    machine = type("QueueHere", (Queue,), {"server": server})
    checks = settings(
        max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=checks)


def test_a_lease_that_is_renewed_is_not_claimed(server: RedisServer) -> None:
    async def ask() -> list[Any]:
        stream = RequestStream(server.address, wait_seconds=0)
        await stream._redis.flushall()
        await stream.open()
        first, second = await stream.put("x"), await stream.put("y")
        await stream.take("slow")
        await stream.take("slow")
        await asyncio.sleep(0.2)
        lost = await stream.renew("slow", [first])
        claimed = [entry.id for entry in await stream.claim("other", 0.15, 9)]
        lost_then = await stream.renew("slow", [first, second])
        await stream.close()
        return [lost, claimed, lost_then, first, second]

    lost, claimed, lost_then, first, second = asyncio.run(ask())
    assert lost == [] and claimed == [second] == lost_then and first != second


def test_what_was_accepted_survives_the_death_of_redis(server: RedisServer) -> None:
    async def ask() -> tuple[Entry | None, list[Entry], Depth]:
        stream = RequestStream(server.address, wait_seconds=0)
        await stream._redis.flushall()
        await stream.open()
        await stream.put("running")
        await stream.put("waiting")
        await stream.take("worker")
        server.kill()
        with pytest.raises(Unreachable):
            await stream.depth()
        server.start()
        depth = await stream.depth()
        waiting, running = await stream.take("worker"), await stream.claim("other", 0, 1)
        await stream.close()
        return waiting, running, depth

    waiting, running, depth = asyncio.run(ask())
    assert depth == Depth(1, 1) and waiting is not None and waiting.body == "waiting"
    assert [(entry.body, entry.delivery) for entry in running] == [("running", 2)]
