"""A real service under load: requests, looks at its metrics, the misfortunes of its worker. No torch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx

from labs.contract import Context
from labs.q14_serving.curves import SECOND
from labs.q14_serving.live_breaks import BEGIN, GOAL_BATCHES, MOST_RATE, Setup
from labs.q14_serving.live_service import Service
from serving.load.arrivals import poisson
from serving.load.completions import ANSWERED, Completions, Reply
from serving.load.loops import Sent, open_loop
from serving.load.plan import LoadTest, Plan
from serving.load.target import endpoint

PROMPT = "The weather today"
PATIENCE = 20.0
"""Seconds that a client waits; every service says no before."""
MOST_IN_FLIGHT = 512
LEAST_RATE = 0.2
"""Requests a second that are worth sending."""
LOOK_EVERY, LOOK_TIMEOUT = 0.25, 0.4
HELD, LET = 0.15, 0.05
"""Seconds that a slow worker is held and let run, in turn: a quarter of its speed."""
STARTING = 0.05
"""Seconds between two looks for a worker that starts again."""


class Watcher:
    """What a run tells of one service, to the page and to its own end."""

    def __init__(
        self, ctx: Context, service: str, share: tuple[float, float], told: list[dict[str, Any]]
    ) -> None:
        self._ctx, self._service, self._told = ctx, service, told
        self._share = share
        self._heard = self._looked = self._happened = 0
        self.looks: list[dict[str, Any]] = []
        self.happened: list[dict[str, Any]] = []

    def check(self) -> None:
        """Raise where nobody waits any more."""
        self._ctx.check_cancelled()

    def begin(self, plan: dict[str, Any]) -> None:
        """Tell what is to come."""
        self._on_progress = self._ctx.part(*self._share, "sending")
        self._tell({"plan": plan})

    def hear(self, sent: list[Sent[Reply]], share: float) -> None:
        """Tell what has come back and been seen since it was last asked."""
        self._on_progress(min(1.0, share))
        news = {
            "requests": [_request(one) for one in sent[self._heard :]],
            "looks": self.looks[self._looked :],
            "happened": self.happened[self._happened :],
        }
        self._heard, self._looked, self._happened = len(sent), len(self.looks), len(self.happened)
        if any(news.values()):
            self._tell(news)

    def _tell(self, news: dict[str, Any]) -> None:
        partial = {"service": self._service, **news}
        self._told.append(partial)
        self._ctx.emit(partial)


class Load(NamedTuple):
    """What is sent: requests a second, for so many seconds, of so many tokens each, drawn with a seed.

    `goal`: milliseconds in which an answer should come. A rate and a goal of 0 become what suits the service.
    """

    rate: float
    goal: float
    seconds: float
    tokens: int
    seed: int


async def serve_load(service: Service, setup: Setup, load: Load, watcher: Watcher) -> Load:
    """Send it and wait for the answers. Returns what was sent, for the next service to get the same.

    The capacity is the worker's own; only then is it known how long a front should wait for it.
    """
    body = {"prompt": PROMPT, "max_tokens": load.tokens, "temperature": 0, "ignore_eos": True}

    def completions() -> Completions:
        url = endpoint(service.entry.address, allow_remote=False)
        return Completions(url, body, timeout=PATIENCE, most_in_flight=MOST_IN_FLIGHT)

    capacity = max(LEAST_RATE, await _capacity(completions, setup, watcher.check))
    deadline = setup.deadline(capacity)
    service.open(deadline)
    load = _suited(load, setup, service, capacity)
    due = list(poisson(load.rate, load.seconds, load.seed)) or [0.0]
    plan = _plan(load, setup, deadline)
    watcher.begin({**plan, "capacity": capacity, "planned": len(due)})
    test = LoadTest(Plan(due, load.seconds, 0.0, int(setup.closed), load.rate))
    clock = _clock()
    beside = [
        asyncio.ensure_future(_look_on(service, clock, watcher.looks)),
        asyncio.ensure_future(_disturb(service, setup, load.seconds, clock, watcher.happened)),
    ]
    try:
        await test.run(completions(), lambda _done, _all: watcher.hear(test.sent, clock() / load.seconds))
        for task in beside:
            if task.done():
                task.result()
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
    watcher.hear(test.sent, 1.0)
    return load


def _suited(load: Load, setup: Setup, service: Service, capacity: float) -> Load:
    """The load with its rate, goal and seconds decided."""
    rate = load.rate or min(MOST_RATE, max(LEAST_RATE, setup.share * capacity))
    goal = load.goal or SECOND * GOAL_BATCHES * setup.slots / capacity
    return load._replace(rate=rate, goal=goal, seconds=setup.lasts(load.seconds, service.worker.took, rate))


def _plan(load: Load, setup: Setup, deadline: float) -> dict[str, Any]:
    """What a run is told of before anything is sent."""
    return {
        "slots": setup.slots,
        "queue": None if setup.unbounded else setup.queue,
        "closed": setup.closed,
        "rate": load.rate,
        "goal": load.goal,
        "seconds": load.seconds,
        "away": setup.away(load.seconds, deadline),
    }


async def _capacity(completions: Callable[[], Completions], setup: Setup, check: Callable[[], None]) -> float:
    """Answers a second while all slots are busy: two full batches at once, after a first that warms up."""
    client, sent = completions(), list[Sent[Reply]]()
    try:
        for batches in (1, 2):
            sent.clear()
            await open_loop(client.send, [0.0] * (batches * setup.slots), sent, check)
    finally:
        await client.close()
    return sum(one.reply.kind == ANSWERED for one in sent) / max(one.end for one in sent)


async def _look_on(service: Service, clock: Callable[[], float], looks: list[dict[str, Any]]) -> None:
    async with httpx.AsyncClient(timeout=LOOK_TIMEOUT, trust_env=False) as client:
        while True:
            look = await service.look(client)
            looks.append({"second": round(clock(), 3), **look._asdict()})
            await asyncio.sleep(LOOK_EVERY)


async def _disturb(
    service: Service, setup: Setup, seconds: float, clock: Callable[[], float], happened: list[dict[str, Any]]
) -> None:
    """Kill its worker and start it again, hold it, or let it run only a part of the time."""
    if not setup.fault:
        return
    await asyncio.sleep(BEGIN * seconds - clock())
    happened.append({"second": clock(), "what": setup.fault})
    if setup.fault == "kill":
        service.worker.kill()
        service.worker.start()
        while not service.worker.listens:
            await asyncio.sleep(STARTING)
    else:
        await _hold(service, setup.fault == "slow", setup.until * seconds, clock)
    happened.append({"second": clock(), "what": "back"})


async def _hold(service: Service, slow: bool, until: float, clock: Callable[[], float]) -> None:
    try:
        while clock() < until:
            service.worker.stop()
            await asyncio.sleep(HELD if slow else until - clock())
            if slow:
                service.worker.go_on()
                await asyncio.sleep(LET)
    finally:
        service.worker.go_on()


def _clock() -> Callable[[], float]:
    """Seconds from now, on the event loop's clock."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    return lambda: loop.time() - began


def _request(one: Sent[Reply]) -> dict[str, Any]:
    first = None if one.reply.first is None else round(one.gone + one.reply.first, 4)
    times = {"due": round(one.due, 4), "gone": round(one.gone, 4), "first": first, "end": round(one.end, 4)}
    return {**times, "kind": one.reply.kind, "degraded": one.reply.degraded}
