"""One handler that blocks: who else waits. A real event loop with a real meter of its lag.

Short requests come at any time and only wait for an engine elsewhere. Now and then a long one comes, whose
handler does its work itself: in the event loop, as `LLM.generate` in an async function does, or in a thread.
All requests and their client share one loop, and each counts from when it was due.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NotRequired, TypedDict

import numpy as np

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, choice, real, whole
from labs.contract.drawing import Figure, Role
from labs.contract.fields import ParamError
from labs.contract.filling import without_e
from labs.q14_serving.curves import SECOND
from labs.q14_serving.latencies import Seen, distributions, seen
from labs.q14_serving.loop_lag import Watched, Work, under_load
from labs.q14_serving.queueing import poisson

WORKS = ("model", "sleep", "python")
PLACES: dict[str, Role] = {"loop": "said", "thread": "measured"}
IDEAL = 1000
"""Requests that the formula's distribution is drawn with."""
UNSEEN = 5.0
"""Milliseconds of lag that every loop has: looks below are left out where their neighbours are, too."""
SEEN = ("p50", "p95", "p99", "goodput")


@dataclass(frozen=True)
class BlockingParams(Params):
    """Every `every_ms` a handler works for `block_ms`; a short request alone takes `answer_ms`."""

    work: str = choice("model", WORKS, primary=True)
    block_ms: float = real(300.0, 10.0, 900.0, step=10.0, primary=True)
    every_ms: float = real(1000.0, 100.0, 5000.0, step=50.0, primary=True)
    answer_ms: float = real(20.0, 1.0, 500.0, step=1.0)
    rate: float = real(60.0, 5.0, 200.0, step=5.0)
    seconds: int = whole(6, 2, 20, label="blocking_seconds")
    goal: float = real(250.0, 10.0, 5000.0, step=10.0)
    seed: int = whole(0, 0, 999)

    def check_together(self) -> None:
        """The loop has to come to something else, too."""
        if self.block_ms >= self.every_ms:
            block, every = (without_e(f"{value:g}") for value in (self.block_ms, self.every_ms))
            raise ParamError(
                "together",
                "block_ms",
                f"A handler that works for {block} ms every {every} ms leaves the loop no time: "
                "make it shorter, or rarer.",
                key="q14.always_blocked",
                block=block,
                every=every,
            )


class Place(TypedDict):
    """Of the long work in one place: what the short requests saw, and the loop's lag.

    `blocked_percent`: of the time, somebody who came would have waited. `looks` in seconds, `late` in ms.
    """

    seen: Seen
    worst_lag: float
    blocked_percent: float
    looks: list[float]
    late: list[float]


class BlockingResult(TypedDict):
    """Milliseconds; `ideal` is what the formula says that short requests see beside work in the loop."""

    work: str
    goal: float
    alone: float
    block: float
    every: float
    ideal: Seen
    places: NotRequired[dict[str, Place]]


class Blocking(Experiment[BlockingParams, BlockingResult]):
    """The same arrivals twice: the long work in the event loop, then in a thread."""

    id = "q14/blocking"

    def seconds(self, params: BlockingParams, device: DeviceClass) -> float:
        return 1.5 + len(PLACES) * (params.seconds + 0.5)

    def formula(self, params: BlockingParams) -> BlockingResult:
        """Whoever comes while the loop is blocked waits for the rest of that time."""
        latencies = [latency_at(share / IDEAL, params) for share in range(1, IDEAL + 1)]
        seconds = IDEAL / params.rate
        return {
            "work": params.work,
            "goal": params.goal,
            "alone": params.answer_ms,
            "block": params.block_ms,
            "every": params.every_ms,
            "ideal": seen(latencies, ["answered"] * IDEAL, seconds, params.goal),
        }

    def measure(self, params: BlockingParams, ctx: Context) -> BlockingResult:
        """One event loop after the other, in this thread."""
        ctx.progress(0.0, "loading")
        busy = _busy(params.work, ctx)
        short = [at / SECOND for at in poisson(params.rate, params.seconds, params.seed)]
        every = params.every_ms / SECOND
        long = [float(at) for at in np.arange(every / 2, params.seconds, every)]
        places: dict[str, Place] = {}
        for index, place in enumerate(PLACES):
            on_progress = ctx.part(index / len(PLACES), (index + 1) / len(PLACES), f"in_{place}")
            work = _work(place, partial(busy, params.block_ms / SECOND))
            began = time.monotonic()

            def hear(began: float = began, on_progress: Callable[[float], None] = on_progress) -> None:
                on_progress(min(1.0, (time.monotonic() - began) / params.seconds))

            watched = asyncio.run(under_load(short, long, params.answer_ms / SECOND, work, hear))
            places[place] = _place(watched, params)
        return {**self.formula(params), "places": places}

    def show(self, result: BlockingResult, text: Words) -> Shown:
        """`latency`: of short requests, by where the long work is done; `lag`: of the loop, over time."""
        if "places" not in result:
            return Shown({})
        places, ideal = result["places"], result["ideal"]
        curves: dict[Role, tuple[str, Seen]] = {"formula": (text("formula"), ideal)}
        curves |= {PLACES[name]: (text(f"place.{name}"), place["seen"]) for name, place in places.items()}
        figures = {"latency": distributions(curves, result["goal"], text), "lag": _lag(result, text)}
        rows: list[Row] = [
            {
                text("place"): text(f"place.{name}"),
                **{text(f"seen.{key}"): place["seen"][key] for key in SEEN},  # type: ignore[literal-required]
                text("worst_lag"): place["worst_lag"],
                text("blocked_percent"): place["blocked_percent"],
            }
            for name, place in places.items()
        ]
        numbers = {
            f"{text('seen.p95')}, {text(f'place.{name}')}": place["seen"]["p95"]
            for name, place in places.items()
        }
        return Shown(
            figures,
            rows,
            _notes(result, places, text),
            numbers,
            sentence={
                "said": result["alone"],
                "formula": ideal["p95"],
                "measured": places["loop"]["seen"]["p95"],
                "unit": "ms",
            },
        )


def latency_at(share: float, params: BlockingParams) -> float:
    """The milliseconds that this share of the short requests do not exceed beside work in the loop.

    Of all that come, those of the last x ms before a block ends wait less than x.

    >>> [latency_at(share, BlockingParams()) for share in (0.5, 0.95, 1.0)]
    [20.0, 270.0, 320.0]
    """
    waits = params.block_ms - (1 - share) * params.every_ms
    return params.answer_ms + max(0.0, round(waits, 9))


def _busy(work: str, ctx: Context) -> Callable[[float], None]:
    """Keeps whoever calls it busy for so many seconds: a wait, pure Python, or steps of the real model."""
    if work == "sleep":
        return time.sleep
    if work == "python":
        return partial(_until, lambda: sum(range(1000)))
    from labs.q14_serving.calibration import FullBatch

    full = FullBatch(ctx.model().model, 1)
    full.fill(ctx.check_cancelled)
    return partial(_until, full.step)


def _until(step: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        step()


def _work(place: str, busy: Callable[[], None]) -> Work:
    """An async function that does the work in the loop itself, or hands it to a thread."""

    async def in_the_loop() -> None:
        busy()

    return in_the_loop if place == "loop" else partial(asyncio.to_thread, busy)


def _place(watched: Watched, params: BlockingParams) -> Place:
    latencies = [SECOND * (one.end - one.due) for one in watched.short]
    looks = watched.meter.looks
    late = [SECOND * seconds for _, seconds in looks]
    kept = [
        number
        for number in range(len(late))
        if number in (0, len(late) - 1) or max(late[number - 1 : number + 2]) >= UNSEEN
    ]
    return {
        "seen": seen(latencies, [one.reply for one in watched.short], params.seconds, params.goal),
        "worst_lag": SECOND * watched.meter.worst,
        "blocked_percent": 100 * sum(ms for ms in late if ms >= UNSEEN) / (SECOND * looks[-1][0]),
        "looks": [looks[number][0] for number in kept],
        "late": [late[number] for number in kept],
    }


def _lag(result: BlockingResult, text: Words) -> Figure:
    """Of the loop by when it was to wake: it falls as a block nears its end."""
    figure, places = Figure(height=300), result["places"]
    for name, place in places.items():
        figure.line(
            place["looks"],
            place["late"],
            PLACES[name],
            text(f"place.{name}"),
            hover="%{x:.2f} s: %{y:.3g} ms",
            width=2.5 if name == "thread" else 1.5,
        )
    ends = [0.0, max(place["looks"][-1] for place in places.values())]
    figure.line(ends, [result["block"]] * 2, "formula", text("block_line"), hover="%{y:.4g} ms", width=1)
    figure.x_axis(text("axis.seconds"))
    figure.y_axis(text("axis.lag"), from_zero=True)
    return figure


def _notes(result: BlockingResult, places: dict[str, Place], text: Words) -> list[str]:
    loop, thread = places["loop"], places["thread"]
    facts = {
        "block": result["block"],
        "every": result["every"],
        "goal": result["goal"],
        "alone": result["alone"],
        "share": 100 * result["block"] / result["every"],
    }
    return [
        text("blocking.sentence", **facts),
        text(
            "blocking.loop",
            **facts,
            worst=loop["worst_lag"],
            blocked=loop["blocked_percent"],
            p95=loop["seen"]["p95"],
            p50=loop["seen"]["p50"],
        ),
        text("blocking.thread", worst=thread["worst_lag"], p95=thread["seen"]["p95"]),
        text(f"blocking.why_{result['work']}"),
    ]
