"""The queue between nodes and workers: one Redis stream, read by one consumer group. Knows no HTTP, no model.

    minimind:requests        the stream; an entry leaves it when its request has ended
    its group `workers`      to whom an entry is pending holds its lease, and nobody else can answer it
    minimind:answers:NODE    what workers said, in order, for one node to read
    minimind:models          what is served, by the second in which a worker last said so

A worker renews the lease of what it holds; what is not renewed is claimed by another one. Whether a worker
still holds a request is checked in the same script that says something about it, and the last piece takes the
entry away in that script too: so one that was only slow cannot answer a second time, whoever dies at whatever
moment. A request is cancelled by taking its entry away, which its worker learns when it next speaks.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from serving.scaleout.wire import Said, read_said

REQUESTS, ANSWERS, MODELS, GROUP = "minimind:requests", "minimind:answers:", "minimind:models", "workers"
CONNECT_SECONDS, COMMAND_SECONDS, BLOCK_SECONDS = 2.0, 5.0, 0.5
ANSWERS_SECONDS = 120
"""After which answers that nobody reads are gone: their node has died."""
MODEL_SECONDS = 60
"""After which a model that no worker names any more is served no longer."""

_SAY = """
local held = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if #held == 0 then return 0 end
redis.call('XADD', KEYS[2], '*', 'said', ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[6])
if ARGV[5] == '1' then
    redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
    redis.call('XDEL', KEYS[1], ARGV[3])
end
return 1
"""
_RENEW = """
local lost = {}
for at = 3, #ARGV do
    if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[at], ARGV[at], 1, ARGV[2]) == 0 then
        table.insert(lost, ARGV[at])
    else
        redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[at], 'JUSTID')
    end
end
return lost
"""
_CLAIM = """
local claimed = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5])
local entries = {}
for _, entry in ipairs(claimed[2]) do
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1)
    table.insert(entries, {entry[1], entry[2][2], pending[1][4]})
end
return {claimed[1], entries}
"""
_LEAVE = """
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    if consumer[2] == ARGV[2] and consumer[4] == 0 then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
    end
end
"""


P = ParamSpec("P")
T = TypeVar("T")


class Unreachable(Exception):
    """Redis does not answer; what was asked may have been done or not."""


class Entry(NamedTuple):
    """A request as a worker takes it from the stream."""

    id: str
    body: str
    delivery: int
    """1 for the first worker that gets it."""


class Depth(NamedTuple):
    """How many requests are in the stream."""

    waiting: int
    running: int


def _by_itself(command: Callable[Concatenate[RequestStream, P], Awaitable[T]]) -> Any:
    """A command as a task of its own, which runs to its end although its caller is cancelled.

    redis-py can swallow a cancel while it connects. What Redis or the way to it does wrong is Unreachable.
    """

    @functools.wraps(command)
    async def call(stream: RequestStream, *arguments: P.args, **named: P.kwargs) -> T:
        task = asyncio.ensure_future(command(stream, *arguments, **named))
        stream.commands.add(task)
        task.add_done_callback(stream.commands.discard)
        try:
            return await asyncio.shield(task)
        except (RedisError, OSError) as error:
            known = isinstance(error, RedisConnectionError | OSError)
            raise Unreachable(type(error).__name__ if known else str(error)) from error

    return call


class RequestStream:
    """The stream on the Redis at `address`: redis://, rediss://, unix://. Every method raises Unreachable.

    `answers` and `take` wait up to `wait_seconds`; 0 does not wait.
    """

    def __init__(self, address: str, wait_seconds: float = BLOCK_SECONDS) -> None:
        # A command that is tried again could be done twice; who calls knows where that is harmless.
        self._redis: Any = Redis.from_url(
            address,
            decode_responses=True,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=COMMAND_SECONDS,
        )
        self._wait = int(1000 * wait_seconds) or None
        self._claim_from = "0-0"
        self.commands = set[asyncio.Future[Any]]()
        """Under way."""

    @_by_itself
    async def open(self) -> None:
        """Make the stream and its group where they are not there yet."""
        try:
            await self._redis.xgroup_create(REQUESTS, GROUP, "0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def close(self) -> None:
        """Let go of the connections, once nothing is under way."""
        await asyncio.gather(*self.commands, return_exceptions=True)
        await self._redis.aclose()

    @_by_itself
    async def put(self, body: str) -> str:
        """Add a request; its id in the stream."""
        return str(await self._redis.xadd(REQUESTS, {"order": body}))

    @_by_itself
    async def cancel(self, entry: str) -> None:
        """Take a request away, waiting or running."""
        async with self._redis.pipeline(transaction=True) as both:
            await both.xack(REQUESTS, GROUP, entry).xdel(REQUESTS, entry).execute()

    @_by_itself
    async def answers(self, node: str, after: str) -> list[tuple[str, Said]]:
        """What was said to a node after an id, with the id of each; waits a moment for the first.

        What was said until then is known to have arrived, and is taken away.
        """
        key = ANSWERS + node
        await self._redis.xtrim(key, minid=after, approximate=False)
        found = await self._redis.xread({key: after}, block=self._wait)
        entries = found[0][1] if found else []
        return [(entry, read_said(fields["said"])) for entry, fields in entries]

    @_by_itself
    async def take(self, worker: str) -> Entry | None:
        """The next request that nobody has, held by `worker` from now on; waits a moment for one."""
        found = await self._redis.xreadgroup(GROUP, worker, {REQUESTS: ">"}, count=1, block=self._wait)
        if not found:
            return None
        entry, fields = found[0][1][0]
        return Entry(entry, fields["order"], 1)

    @_by_itself
    async def claim(self, worker: str, idle_seconds: float, count: int) -> list[Entry]:
        """Requests whose lease was not renewed for so long, held by `worker` from now on."""
        idle = int(1000 * idle_seconds)
        self._claim_from, entries = await self._redis.eval(
            _CLAIM, 1, REQUESTS, GROUP, worker, idle, self._claim_from, count
        )
        return [Entry(*entry) for entry in entries]

    @_by_itself
    async def renew(self, worker: str, entries: Sequence[str]) -> list[str]:
        """Renew leases; the entries that `worker` holds no longer."""
        return list(await self._redis.eval(_RENEW, 1, REQUESTS, GROUP, worker, *entries))

    @_by_itself
    async def say(self, worker: str, said: Sequence[tuple[str, str, Said]]) -> list[bool]:
        """Send what is said, each by (entry, node, said); False where `worker` holds the entry no longer."""
        async with self._redis.pipeline(transaction=False) as together:
            for entry, node, what in said:
                facts = (GROUP, worker, entry, what.written(), int(what.last), ANSWERS_SECONDS)
                together.eval(_SAY, 2, REQUESTS, ANSWERS + node, *facts)
            return [bool(held) for held in await together.execute()]

    @_by_itself
    async def leave(self, worker: str) -> None:
        """Forget a worker that holds nothing."""
        await self._redis.eval(_LEAVE, 1, REQUESTS, GROUP, worker)

    @_by_itself
    async def serves(self, model: str) -> None:
        """Note that a model is served."""
        now = await self.now()
        await self._redis.zadd(MODELS, {model: now})
        await self._redis.zremrangebyscore(MODELS, 0, now - MODEL_SECONDS)

    @_by_itself
    async def models(self) -> list[str]:
        """What is served, the one that was said last first."""
        return list(await self._redis.zrevrange(MODELS, 0, -1))

    @_by_itself
    async def now(self) -> float:
        """Seconds since 1970 on the clock of Redis, by which the ids of entries are made."""
        seconds, millionths = await self._redis.time()
        return float(seconds + millionths / 1e6)

    @_by_itself
    async def depth(self) -> Depth:
        """How many wait and how many run."""
        length = await self._redis.xlen(REQUESTS)
        running = (await self._redis.xpending(REQUESTS, GROUP))["pending"]
        return Depth(max(0, length - running), running)


def seconds_of(entry: str) -> float:
    """When an entry was added, in seconds since 1970 on the clock of Redis."""
    return int(entry.split("-")[0]) / 1000
