"""What asyncio and a heap do with requests: a blocking call in the loop, two queues, starving and ageing."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable

from labs.claims.checks import Finding
from labs.q14_serving.loop_lag import Work, under_load


def blocked_loop() -> Finding:
    """How late the event loop is while a blocking call runs in it, and while it runs in a thread."""
    call = 0.3

    async def lag(work: Work) -> float:
        return (await under_load([], [0.05], 0.0, work, lambda: None)).meter.worst

    async def inside() -> None:
        time.sleep(call)  # what a blocking generate does to the loop

    blocking = asyncio.run(lag(inside))
    threaded = asyncio.run(lag(lambda: asyncio.to_thread(time.sleep, call)))
    return Finding(blocking > 0.9 * call > threaded, {"blocking_s": blocking, "threaded_s": threaded})


def two_queues() -> dict[str, bool]:
    """Whether an urgent request reaches a worker waiting on the normal queue, and one waiting on a heap."""

    async def separate() -> bool:
        urgent, normal = asyncio.Queue[str](), asyncio.Queue[str]()

        async def worker() -> str:
            return urgent.get_nowait() if not urgent.empty() else await normal.get()

        return await arrives(worker, lambda: urgent.put_nowait("urgent"))

    async def one_heap() -> bool:
        queue = asyncio.PriorityQueue[tuple[int, str]]()

        async def worker() -> str:
            return (await queue.get())[1]

        return await arrives(worker, lambda: queue.put_nowait((0, "urgent")))

    async def arrives(worker: Callable[[], Awaitable[str]], put: Callable[[], None]) -> bool:
        task = asyncio.ensure_future(worker())
        await asyncio.sleep(0)  # the worker is waiting now
        put()
        done, _ = await asyncio.wait([task], timeout=0.1)
        task.cancel()
        return bool(done)

    return {"two_queues": asyncio.run(separate()), "one_heap": asyncio.run(one_heap())}


def starving() -> Finding:
    """When a normal request leaves one heap beside a stream of urgent ones, without and with ageing."""

    def place(ageing: float) -> int:
        heap, ticket = [(1.0, 0, "normal")], itertools.count(1)
        for step in range(100):
            heapq.heappush(heap, (step * ageing, next(ticket), "urgent"))
            if heapq.heappop(heap)[2] == "normal":
                return step
        return 100

    never, soon = place(0), place(0.1)
    return Finding(never == 100 > soon, {"without_ageing": never, "with_ageing": soon})
