"""The real thing: our engine with our model under a closed and an open load, beside the simulation's word.

First the engine's step is timed; the simulation is given the line, and the very arrivals that the open
client then sends. A replay has the engine do the same step by step, on a clock that knows nothing else: it
parts the error of the simulation from what other programs of this machine do. Client and engine share this
process and its processors, as in a small test at home; there is no network in it.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NotRequired, TypedDict

from labs.contract import (
    Context,
    Data,
    DeviceClass,
    Experiment,
    Params,
    Partials,
    Row,
    Shown,
    Words,
    real,
    whole,
)
from labs.contract.drawing import Role
from labs.q14_serving.curves import SECOND, given
from labs.q14_serving.latencies import POINTS, Seen, Timeline, distributions, in_flight, seen
from labs.q14_serving.queueing import Fleet, in_flight_at, percentile, poisson, simulate
from labs.tools.budgets import PerDevice
from serving.load.loops import Hear, Sent, closed_loop, open_loop

if TYPE_CHECKING:
    from labs.q14_serving.server import Server

RATE = PerDevice(cpu=2.0, cuda=100.0)
"""Of the open client unless one is asked for: what the device can do with ease."""
SLOTS = PerDevice(cpu=8, cuda=128)
CLOSED_SECONDS = 3.5
CALIBRATION_SECONDS = 2.5
SHARE = 0.15
"""Of the time that a reply takes: what our engine works for it, so that a busy machine keeps it, too."""
SEEN = ("rate", "goodput", "mean", "p50", "p95", "p99", "sent", "rejected", "expired")


@dataclass(frozen=True)
class LoadParams(Params):
    """`rate` 0 suits the device. To the closed client a reply takes `reply_ms`, where that is not 0.

    It is then short enough to be done by that time, and held back until it.
    """

    rate: float = real(0.0, 0.0, 500.0, step=0.5, primary=True, label="load_rate")
    freeze: float = real(0.0, 0.0, 5.0, step=0.5, primary=True)
    tokens: int = whole(12, 1, 200, primary=True)
    seconds: int = whole(8, 2, 40)
    reply_ms: float = real(given("reply"), 0.0, 2000.0, step=10.0)
    pause_ms: float = real(SECOND / given("rate"), 0.0, 1000.0, step=5.0)
    queue: int = whole(200, 1, 2000)
    goal: float = real(given("goal"), 50.0, 5000.0, step=10.0)
    seed: int = whole(0, 0, 999)


class LoadResult(TypedDict):
    """`model_error` is the simulation's P95 over that of the replay. Times are milliseconds."""

    rate: float
    goal: float
    formula_rate: float
    target: float
    simulated: Seen
    replayed: Seen
    closed: NotRequired[Seen]
    open: NotRequired[Seen]
    model_error: float
    alpha: float
    beta: float
    reading: float
    capacity: float
    timeline: NotRequired[Timeline]


class Load(Experiment[LoadParams, LoadResult]):
    """Calibrate, predict, then send: the closed loop first, the open one after it."""

    def seconds(self, params: LoadParams, device: DeviceClass) -> float:
        return (
            CALIBRATION_SECONDS + CLOSED_SECONDS + 2 * params.freeze + params.seconds + params.tokens * 0.05
        )

    def formula(self, params: LoadParams) -> Data:
        """What a loop sends that pauses and then waits for a reply of `reply_ms`."""
        return {"closed": {"rate": _closed_rate(params)}}

    def measure(self, params: LoadParams, ctx: Context) -> LoadResult:
        """The engine has a thread of its own; the clients run in this one's event loop."""
        from labs.q14_serving.calibration import replay, timed_line
        from labs.q14_serving.server import serving

        ctx.progress(0.0, "loading")
        model, slots = ctx.model().model, SLOTS.on(ctx.device)
        rate = params.rate or RATE.on(ctx.device)
        line, reading = timed_line(model, (1, 2, slots // 2), ctx.part(0.02, 0.2, "calibrating"))
        due = poisson(rate, params.seconds, params.seed)
        middle = SECOND * params.seconds / 2
        fleet = Fleet(
            1,
            line.alpha,
            line.beta,
            slots,
            prefill=reading,
            queue_limit=params.queue,
            freeze=(middle, middle + SECOND * params.freeze) if params.freeze else None,
        )
        simulated = simulate(fleet, due, [params.tokens])
        undisturbed = simulate(replace(fleet, freeze=None), due, [params.tokens])
        ends = replay(model, slots, due, params.tokens, ctx.part(0.2, 0.35, "replaying"))
        replayed = [end - at for end, at in zip(ends, due, strict=True)]
        known: LoadResult = {
            "rate": rate,
            "goal": params.goal,
            "formula_rate": _closed_rate(params),
            "target": SECOND / max(params.pause_ms, 1.0),
            "simulated": seen(simulated.latencies, simulated.fates, params.seconds, params.goal),
            "replayed": seen(replayed, ["answered"] * len(due), params.seconds, params.goal),
            "model_error": percentile(undisturbed.latencies, 95) / percentile(replayed, 95),
            "alpha": line.alpha,
            "beta": line.beta,
            "reading": reading,
            "capacity": line.requests_per_second(slots, params.tokens),
        }
        ctx.emit({"known": known})
        closed, opened = list[Sent[str]](), list[Sent[str]]()
        hear_closed = _teller(
            ctx, "closed", closed, (0.35, 0.55), round(CLOSED_SECONDS * _closed_rate(params))
        )
        hear_open = _teller(ctx, "open", opened, (0.55, 1.0), len(due))
        short = int((params.reply_ms * SHARE - reading) / line.step(1)) if params.reply_ms else params.tokens
        with serving(model, slots, params.queue) as server:
            asyncio.run(_closed(server, params, min(max(short, 1), params.tokens), closed, hear_closed))
            asyncio.run(_open(server, params, [time / SECOND for time in due], opened, hear_open))
        return _result(params, known, closed, opened)

    def so_far(self, params: LoadParams, partials: Partials) -> LoadResult | None:
        """What has come back until now."""
        if not partials:
            return None
        sent: dict[str, list[Sent[str]]] = {"closed": [], "open": []}
        for partial in partials[1:]:
            sent[partial["client"]] += [Sent(*each) for each in partial["sent"]]
        return _result(params, partials[0]["known"], sent["closed"], sent["open"])

    def show(self, result: LoadResult, text: Words) -> Shown:
        """`latency` by client, beside the simulated one; `in_flight`: of the open client, over time."""
        who: dict[Role, tuple[str, Seen]] = {"formula": (text("client.simulated"), result["simulated"])}
        who["peer"] = (text("client.replayed"), result["replayed"])
        if "closed" in result:
            who["said"] = (text("client.closed"), result["closed"])
        if "open" in result:
            who["measured"] = (text("client.open"), result["open"])
        figures = {"latency": distributions(who, result["goal"], text)}
        if "timeline" in result:
            expected = result["rate"] * result["open"]["mean"] / SECOND
            timeline = result["timeline"]
            figures["in_flight"] = in_flight(timeline["seconds"], timeline["in_flight"], expected, text)
        if "open" not in result or "closed" not in result:
            return Shown(figures)
        rows: list[Row] = [
            {text("client"): name, **{text(f"seen.{key}"): each[key] for key in SEEN}}  # type: ignore[literal-required]
            for name, each in who.values()
        ]
        closed, opened = result["closed"], result["open"]
        return Shown(
            figures,
            rows,
            _notes(result, text),
            numbers={
                text("closed_rate"): closed["rate"],
                text("seen.p95"): opened["p95"],
                text("model_error"): result["model_error"],
            },
            sentence={
                "said": result["target"],
                "formula": result["formula_rate"],
                "measured": closed["rate"],
                "unit": text("requests_unit"),
            },
        )


def _closed_rate(params: LoadParams) -> float:
    """Requests a second of a loop that pauses and waits; infinite if it does neither."""
    gap = params.pause_ms + params.reply_ms
    return SECOND / gap if gap else math.inf


async def _closed(server: Server, params: LoadParams, tokens: int, sent: list[Sent[str]], hear: Hear) -> None:
    begin = CLOSED_SECONDS / 2
    freeze = (begin, begin + params.freeze)
    send = server.sender(tokens, freeze, params.reply_ms / SECOND)
    await closed_loop(send, params.pause_ms / SECOND, CLOSED_SECONDS + params.freeze, sent, hear)


async def _open(
    server: Server, params: LoadParams, due: list[float], sent: list[Sent[str]], hear: Hear
) -> None:
    begin = params.seconds / 2
    await open_loop(server.sender(params.tokens, (begin, begin + params.freeze)), due, sent, hear)


def _teller(
    ctx: Context, client: str, sent: list[Sent[str]], share: tuple[float, float], expected: int
) -> Hear:
    """Sends on what has come back since it was last asked, and raises where nobody waits any more."""
    on_progress, told = ctx.part(*share, client), 0

    def hear() -> None:
        nonlocal told
        on_progress(min(1.0, len(sent) / max(expected, 1)))
        if len(sent) > told:
            rows = [[one.due, one.gone, one.end, one.reply] for one in sent[told:]]
            ctx.emit({"client": client, "sent": rows})
            told = len(sent)

    return hear


def _result(
    params: LoadParams, known: LoadResult, closed: list[Sent[str]], opened: list[Sent[str]]
) -> LoadResult:
    """The closed client counts from when it sent, as such clients do; the open one from when it was due."""
    result = known.copy()
    if closed:
        latencies = [SECOND * (one.end - one.gone) for one in closed if one.reply == "answered"]
        fates = [one.reply for one in closed]
        result["closed"] = seen(latencies, fates, max(one.end for one in closed), params.goal)
    if opened:
        latencies = [SECOND * (one.end - one.due) for one in opened if one.reply == "answered"]
        result["open"] = seen(latencies, [one.reply for one in opened], params.seconds, params.goal)
        result["timeline"] = _timeline(opened)
    return result


def _timeline(sent: list[Sent[str]]) -> Timeline:
    last = max(one.end for one in sent)
    times = [last * point / POINTS for point in range(POINTS + 1)]
    counts = in_flight_at([one.due for one in sent], [one.end for one in sent], times)
    return {"seconds": times, "in_flight": [float(count) for count in counts]}


def _notes(result: LoadResult, text: Words) -> list[str]:
    closed, opened, simulated = result["closed"], result["open"], result["simulated"]
    return [
        text("load.sentence"),
        text("load.closed", target=result["target"], rate=closed["rate"], late=closed["p99"]),
        text("load.open", rate=opened["rate"], sent=opened["sent"], p95=opened["p95"], p99=opened["p99"]),
        text(
            "load.simulated",
            p95=simulated["p95"],
            replayed=result["replayed"]["p95"],
            ratio=result["model_error"],
        ),
        text("load.line", **{key: result[key] for key in ("alpha", "beta", "reading")}),
        *(
            [text("load.overloaded", rate=result["rate"], capacity=result["capacity"])]
            if result["rate"] > result["capacity"]
            else []
        ),
    ]
