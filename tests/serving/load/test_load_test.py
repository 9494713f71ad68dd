"""A whole test on the virtual clock, against a server whose every latency can be computed."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.load import arrivals
from serving.load.completions import Completions
from serving.load.plan import LoadTest, Plan
from serving.load.report import report
from serving.load.summary import Goal, Summary, summarize
from tests.serving.load.streams import DONE, Piece, Scripted, event
from tests.serving.load.virtual_clock import run

ABOUT = 5e-3
"""Seconds that the event loop's own rounding may add up to."""


class OneAtATime:
    """Serves one request after another, `service` seconds each, and nothing within `freeze`."""

    def __init__(self, service: float, freeze: tuple[float, float] = (math.inf, math.inf)) -> None:
        self.service, self.freeze, self.free, self.log = service, freeze, 0.0, list[float]()

    def ends(self, now: float) -> float:
        begin = max(now, self.free)
        if self.freeze[0] <= begin < self.freeze[1]:
            begin = self.freeze[1]
        self.free = begin + self.service
        return self.free

    async def __call__(self, _body: dict[str, Any]) -> tuple[int, list[Piece]]:
        now = asyncio.get_running_loop().time()
        self.log.append(now)
        return 200, [(self.ends(now) - now, event("a")), (0.0, DONE)]


def outcome(plan: Plan, server: Any, *, goal: Goal | None = None) -> tuple[LoadTest, Summary]:
    test = LoadTest(plan)

    async def main() -> None:
        completions = Completions(
            httpx.URL("http://127.0.0.1/"),
            {},
            timeout=600.0,
            most_in_flight=10_000,
            transport=Scripted(server),
        )
        await test.run(completions, lambda done, total: None)

    run(main())
    return test, summarize(test, goal or Goal(500.0))


def percentiles(summary: Summary, key: str) -> list[float]:
    """P50, P95, P99 in milliseconds."""
    return [each["value"] for each in summary[key]["percentiles"].values()]  # type: ignore[literal-required]


@given(st.integers(0, 10**6), st.floats(0.2, 1.3))
@settings(max_examples=4, deadline=None)
def test_an_open_loop_finds_the_latencies_of_the_queue(seed: int, utilization: float) -> None:
    due, server = list(arrivals.poisson(10.0, 8.0, seed)), OneAtATime(utilization / 10.0)
    test, summary = outcome(Plan(due, 8.0, 0.0), server)
    queue = OneAtATime(utilization / 10.0)
    expected = [queue.ends(at) - at for at in due]  # Lindley's recursion
    latencies = {one.due: one.end - one.due for one in test.sent}
    assert [latencies[at] for at in due] == pytest.approx(expected, abs=len(due) * 1e-4 + ABOUT)
    assert summary["kinds"] == {"answered": len(due)} and len(server.log) == len(due)
    assert server.log == pytest.approx(due, abs=ABOUT)


def test_the_closed_loop_hides_a_freeze_and_the_open_one_shows_it() -> None:
    due = list(arrivals.uniform(5.0, 40.0))
    _, opened = outcome(Plan(due, 40.0, 0.0), OneAtATime(0.05, (20.0, 25.0)))
    _, closed = outcome(Plan(due, 40.0, 0.0, 1, 5.0), OneAtATime(0.05, (20.0, 25.0)))
    assert percentiles(closed, "from_sent_ms")[:2] == pytest.approx([50.0, 50.0], abs=2)
    # 25 arrivals meet the freeze, a second of waiting for each five; ten of 199 lie above P95.
    assert percentiles(opened, "latency_ms")[1] > 2_000 and percentiles(opened, "latency_ms")[2] > 4_000
    assert percentiles(closed, "latency_ms")[2] > 4_000  # counted from when due, the closed loop knows, too


def test_a_closed_loop_against_a_slow_server_never_sends_most_of_its_load() -> None:
    due = list(arrivals.uniform(100.0, 60.0))
    _, summary = outcome(Plan(due, 60.0, 0.0, 1, 100.0), OneAtATime(0.32))
    assert summary["sent"] == pytest.approx(60 / 0.33, abs=1) and summary["planned"] == 5999
    assert summary["never_sent"] == summary["planned"] - summary["sent"]
    assert percentiles(summary, "from_sent_ms") == pytest.approx([320.0] * 3, abs=2)
    assert percentiles(summary, "latency_ms")[0] > 20_000
    assert "Coordinated omission" in report(summary)


def test_the_warm_up_does_not_count() -> None:
    due = [0.5 * number for number in range(20)]
    test, summary = outcome(Plan(due, 10.0, 4.0), OneAtATime(0.1, (0.0, 2.0)))
    assert summary["seconds"] == 6.0 and summary["kinds"] == {"answered": 12}
    assert summary["sent_rate"] == 2.0 and percentiles(summary, "latency_ms") == pytest.approx(
        [100.0] * 3, abs=2
    )
    assert len(test.sent) == summary["sent"] == 20


@pytest.mark.parametrize(("goal", "met"), [(Goal(150.0), 10), (Goal(90.0), 0), (Goal(150.0, 50.0), 0)])
def test_goodput_counts_who_was_answered_in_time(goal: Goal, met: int) -> None:
    due = [float(number) for number in range(10)]
    _, summary = outcome(Plan(due, 10.0, 0.0), OneAtATime(0.1), goal=goal)
    assert summary["goodput"] == met / 10 and summary["goodput_share"] == met / 10


def test_who_got_no_answer_is_in_no_percentile_and_no_goodput() -> None:
    async def every_other(body: dict[str, Any]) -> tuple[int, list[Piece]]:
        every_other.count += 1  # type: ignore[attr-defined]
        return (503, []) if every_other.count % 2 else await quick(body)  # type: ignore[attr-defined]

    every_other.count, quick = 0, OneAtATime(0.1)  # type: ignore[attr-defined]
    _, summary = outcome(Plan([float(number) for number in range(10)], 10.0, 0.0), every_other)
    assert summary["kinds"] == {"rejected": 5, "answered": 5} and summary["goodput"] == 0.5
    assert summary["latency_ms"] is not None and summary["latency_ms"]["count"] == 5


def test_a_test_that_is_cut_off_keeps_what_came_back() -> None:
    test = LoadTest(Plan([0.0, 1.0, 2.0, 3.0, 9.0], 10.0, 0.0))

    async def main() -> None:
        completions = Completions(
            httpx.URL("http://127.0.0.1/"),
            {},
            timeout=60.0,
            most_in_flight=9,
            transport=Scripted(OneAtATime(1.5)),
        )
        running = asyncio.ensure_future(test.run(completions, lambda done, total: None))
        await asyncio.sleep(3.5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run(main())
    summary = summarize(test, Goal(500.0))
    assert (summary["planned"], summary["sent"], summary["unfinished"], summary["never_sent"]) == (5, 4, 2, 1)
    assert summary["seconds"] == pytest.approx(3.5, abs=ABOUT) and summary["kinds"] == {"answered": 2}


def test_a_test_that_sent_nothing_that_counts_can_still_be_told() -> None:
    _, summary = outcome(Plan([0.0], 1.0, 1.0), OneAtATime(0.1))
    assert summary["latency_ms"] is None and summary["goodput"] == 0.0 and "none" in report(summary)
