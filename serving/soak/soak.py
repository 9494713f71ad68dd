"""One soak from the start of the service to its exit code, in plain data."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from minimind_core.errors import MiniMindError
from minimind_core.progress import progress_bar
from serving.soak.crowd import Crowds, Tally
from serving.soak.memory import Growth, Memory

QUEUE, DEADLINE = 400, 60
"""Wide: on a machine that others use too, waiting is no error."""
MOST_GROWTH = 5.0
"""Percent."""
LOOKS, LEAST_LOOK = 300, 0.25
DRAIN_SECONDS = 60.0
MEMORY = {"resident": "process_resident_memory_bytes", "device": "minimind_device_memory_bytes"}
LEFT = ("minimind_in_flight", "minimind_queue_depth", "minimind_kv_slots_used")
"""Gauges that are 0 when all visitors have gone."""


class NotStarted(MiniMindError):
    """The service ended before it listened."""


async def soak(options: argparse.Namespace, rate_seconds: float) -> dict[str, Any]:
    """Start, find its capacity, load it, look at it, end it, judge. Raises NotStarted."""
    async with _service(options) as (process, address):
        crowds, memory = Crowds(address, options.tokens, options.processes), Memory(address)
        try:
            await crowds.saturate(2 * options.slots, rate_seconds / 2)  # what is built once, and imports
            capacity = (await crowds.saturate(2 * options.slots, rate_seconds)).rate
            seconds, rate = 60 * options.minutes, options.share * capacity
            tally = await _watched(crowds, memory, rate, seconds, options.json)
            left = await _left(memory)
        finally:
            await memory.close()
        process.send_signal(signal.SIGTERM)
        exit_code = await asyncio.wait_for(process.wait(), DRAIN_SECONDS)
    grown = {key: growth for key, name in MEMORY.items() if (growth := memory.growth(name, seconds))}
    return _report(tally, capacity, seconds, grown, left, exit_code)


async def _watched(crowds: Crowds, memory: Memory, rate: float, seconds: float, quiet: bool) -> Tally:
    with progress_bar("soaking", "second", quiet) as on_progress:
        every = max(LEAST_LOOK, seconds / LOOKS)
        whole = max(1, round(seconds))
        watching = asyncio.create_task(
            memory.watch(every, lambda now: on_progress(min(whole, round(now)), whole))
        )
        try:
            return await crowds.visit(rate, seconds)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def _left(memory: Memory) -> dict[str, float]:
    """What is still held when all have gone; who left just now may be noticed a moment later."""
    end = time.monotonic() + DRAIN_SECONDS
    while True:
        gauges = await memory.gauges()
        left = {name: gauges[name] for name in LEFT if gauges.get(name)}
        if not left or time.monotonic() > end:
            return left
        await asyncio.sleep(LEAST_LOOK)


def _report(
    tally: Tally,
    capacity: float,
    seconds: float,
    grown: dict[str, Growth],
    left: dict[str, float],
    exit_code: int,
) -> dict[str, Any]:
    broken = {
        "a visitor was served wrong": bool(tally.faults),
        "no visitor came": not tally.seconds,
        "memory was not seen": not grown,
        "memory grew": any(growth["percent"] > MOST_GROWTH for growth in grown.values()),
        "something was left behind": bool(left),
        "it did not drain": exit_code != 0,
    }
    percentiles = statistics.quantiles(tally.seconds, n=100) if len(tally.seconds) > 1 else [0.0] * 99
    return {
        "held": not any(broken.values()),
        "broken": [what for what, is_so in broken.items() if is_so],
        "seconds": seconds,
        "capacity": capacity,
        "rate": tally.kinds.total() / seconds,
        "visits": tally.kinds.total(),
        "kinds": dict(tally.kinds),
        "faults": dict(tally.faults),
        "p50_ms": 1000 * percentiles[49],
        "p95_ms": 1000 * percentiles[94],
        "p99_ms": 1000 * percentiles[98],
        "memory": grown,
        "left": left,
        "exit_code": exit_code,
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {
        "python": sys.version.split()[0],
        **{name: version(name) for name in ("torch", "fastapi", "uvicorn")},
    }


@asynccontextmanager
async def _service(options: argparse.Namespace) -> AsyncGenerator[tuple[asyncio.subprocess.Process, str]]:
    """`serve` on a free port; it ends with the block, and with this process. Raises NotStarted."""
    given = {name: getattr(options, name) for name in ("model", "tokenizer", "device", "dtype")}
    words = [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]
    bounds = ("--slots", options.slots, "--queue", QUEUE, "--deadline", DEADLINE, "--port", 0)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "serving", "serve", "--until-eof"),
        *(str(word) for word in bounds),
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    reading: asyncio.Task[None] | None = None
    try:
        address = await _address(process.stderr)
        reading = asyncio.create_task(_read_on(process.stderr))
        yield process, address
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if reading is not None:
            await reading


async def _address(log: asyncio.StreamReader) -> str:
    """Of its line "listening". Raises NotStarted with the last line where there is none."""
    said = ""
    async for line in log:
        said = line.decode("utf-8", "replace").strip() or said
        if '"event": "listening"' in said:
            return f"http://127.0.0.1:{json.loads(said)['port']}"
    raise NotStarted(f"The service did not start: {said}")


async def _read_on(log: asyncio.StreamReader) -> None:
    """Take its log, so that it is never held up by a full pipe."""
    async for _ in log:
        pass
