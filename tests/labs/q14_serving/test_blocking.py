"""A handler that blocks: the formula against counting, the meter and the waits of a real event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from labs.q14_serving.blocking import BlockingParams, latency_at
from labs.q14_serving.loop_lag import under_load
from tests.labs.one_lab import REGISTRY, OneLab

SHORT: dict[str, Any] = {"work": "sleep", "seconds": 2, "block_ms": 200.0, "every_ms": 500.0}
BLOCK = 0.3


@pytest.mark.parametrize(("block", "every"), [(300.0, 1000.0), (30.0, 1000.0), (450.0, 500.0)])
def test_the_formula_is_what_counting_gives(block: float, every: float) -> None:
    """Ten thousand requests, one every ten-thousandth of the time between two blocks."""
    params = BlockingParams(block_ms=block, every_ms=every)
    comes = [every * (number + 0.5) / 10_000 for number in range(10_000)]
    latencies = sorted(params.answer_ms + max(0.0, block - at) for at in comes)
    for percent in (10, 50, 90, 95, 99):
        counted = latencies[percent * 100 - 1]
        assert latency_at(percent / 100, params) == pytest.approx(counted, abs=every / 5000)


def test_work_in_the_loop_makes_everybody_wait_for_its_end() -> None:
    spans: list[tuple[float, float]] = []

    async def run() -> None:
        began = asyncio.get_running_loop().time()

        async def block() -> None:
            start = asyncio.get_running_loop().time() - began
            time.sleep(BLOCK)
            spans.append((start, asyncio.get_running_loop().time() - began))

        short = [0.01 * number for number in range(60)]
        watched = await under_load(short, [0.1], 0.0, block, lambda: None)
        ((start, end),) = spans
        assert watched.meter.worst > 0.9 * BLOCK
        assert len(watched.short) == len(short)
        caught = [one for one in watched.short if start + 0.02 < one.due < end - 0.02]
        assert len(caught) > 20 and all(one.end >= end - 0.02 for one in caught)

    asyncio.run(run())


def test_work_in_a_thread_leaves_the_loop_running() -> None:
    heard, ended = threading.Event(), list[bool]()

    def until_the_loop_runs() -> None:
        ended.append(heard.wait(60))

    asyncio.run(
        under_load([0.0, 0.01], [0.0], 0.0, lambda: asyncio.to_thread(until_the_loop_runs), heard.set)
    )
    assert ended == [True]


def test_both_places_see_the_same_requests(lab: OneLab) -> None:
    result = lab.result("blocking", **SHORT)
    places = result["places"]
    assert list(places) == ["loop", "thread"]
    assert len({place["seen"]["sent"] for place in places.values()}) == 1
    for place in places.values():
        seen = place["seen"]
        assert seen["answered"] == seen["sent"] and seen["p50"] <= seen["p95"] <= seen["p99"]
        assert place["looks"] == sorted(place["looks"]) and seen["p50"] >= result["alone"] - 1
    assert places["loop"]["worst_lag"] > 0.9 * 200 and places["loop"]["blocked_percent"] > 0.9 * 40
    shown = lab.show("blocking", result)
    assert shown.sentence == {
        "said": 20.0,
        "formula": pytest.approx(20 + 200 - 0.05 * 500),
        "measured": places["loop"]["seen"]["p95"],
        "unit": "ms",
    }
    roles = [trace["meta"]["role"] for trace in shown.figures["latency"].data]
    assert roles[:3] == ["formula", "said", "measured"] and len(shown.rows) == 2


def test_pure_python_and_the_model_work_as_long_as_asked(lab: OneLab) -> None:
    for work in ("python", "model"):
        result = lab.result("blocking", **SHORT | {"work": work})
        assert result["places"]["loop"]["worst_lag"] > 0.9 * 200
        assert f"q14.blocking.why_{work}" in REGISTRY.strings("en")


def test_a_loop_that_is_never_free_is_refused(lab: OneLab) -> None:
    said = lab.refused("blocking", block_ms=500.0, every_ms=500.0)
    assert said == (
        "A handler that works for 500 ms every 500 ms leaves the loop no time: make it shorter, or rarer."
    )
