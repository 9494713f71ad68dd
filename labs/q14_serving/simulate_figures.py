"""What is drawn and said of a simulated service."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from labs.contract import Words
from labs.contract.drawing import LABEL_GAP, Figure
from labs.q14_serving.curves import given
from labs.q14_serving.latencies import Seen
from labs.q14_serving.service import SimulateResult

MILLION = 10**6
WORTH_SAYING = 0.01
"""Percent of the requests that have to wait."""
ABOUT = 0.05
"""Of a GPU, by which a load may exceed what full batches answer and still be called matched."""
LONG_WAIT = 0.1
"""Mean wait over the latency, from which the queue takes time too."""


def replicas_figure(result: SimulateResult, text: Words) -> Figure:
    """P95 by the number of GPUs: simulated bars, the rule of thumb as marks, the goal as a line."""
    figure = Figure()
    counts = list(result["by_replicas"])
    simulated = list(result["by_replicas"].values())
    tails = [result["tails"][count] for count in counts]
    top = 1.15 * max(*simulated, *tails, result["goal"])
    figure.bars(
        counts,
        simulated,
        "measured",
        text("simulated"),
        labels=[f"{p95:,.0f}" for p95 in simulated],
        inside=True,
        insidetextanchor=clear_anchor(simulated, [(result["goal"], tail) for tail in tails], top),
        hover="%{x}: %{y:,.0f} ms",
    )
    figure.marks(
        counts, tails, "formula", text("tail"), symbol="diamond", size=11, hover="%{x}: %{y:,.0f} ms"
    )
    figure.line(counts, [result["goal"]] * len(counts), "peer", text("goal_line"), hover="%{y:,.0f} ms")
    figure.x_axis(text("axis.replicas"), category=True)
    figure.y_axis(text("axis.p95"), span=(0, top))
    return figure


def clear_anchor(heights: Sequence[float], crossed_at: Sequence[Sequence[float]], top: float) -> str:
    """Where inside the bars their labels are crossed by nothing, in plotly's words: the middle if it can be.

    `heights` of the bars, what crosses each at which heights, and the upper end of the axis.

    >>> clear_anchor([1042, 521], [(500,), (500,)], 1200), clear_anchor([900], [(100,)], 1000)
    ('start', 'middle')
    """

    def distance(place: Callable[[float], float]) -> float:
        return min(
            abs(place(height) - line)
            for height, lines in zip(heights, crossed_at, strict=True)
            for line in lines
        )

    half = LABEL_GAP * top / 2
    places: dict[str, Callable[[float], float]] = {
        "middle": lambda height: height / 2,
        "start": lambda _height: half,
        "end": lambda height: height - half,
    }
    clear = [name for name, place in places.items() if distance(place) > LABEL_GAP * top]
    return clear[0] if clear else max(places, key=lambda name: distance(places[name]))


def knee_figure(result: SimulateResult, text: Words) -> Figure:
    """Goodput by the offered rate: on the diagonal as long as all are answered in time."""
    figure, knee = Figure(height=320), result["knee"]
    offered = knee["offered"]
    figure.line([0, offered[-1]], [0, offered[-1]], "formula", text("diagonal"), hover="%{x:.4g}")
    figure.line(
        offered, knee["goodput"], "measured", text("goodput"), size=8, hover="%{x:.4g}: %{y:.4g}", width=2.5
    )
    figure.line(
        [result["by_hand"]["capacity"]] * 2, [0, offered[-1]], "peer", text("capacity"), hover="%{x:.4g}"
    )
    figure.x_axis(text("axis.offered"), span=(0, 1.03 * max(offered[-1], result["by_hand"]["capacity"])))
    figure.y_axis(text("axis.goodput"), from_zero=True)
    return figure


def notes(result: SimulateResult, text: Words) -> list[str]:
    """Little's law, what is wrong with the settings, the closed client, Erlang, and the cost."""
    hand, opened, closed = result["by_hand"], result["open"], result["closed"]
    said = [text("simulate.sentence", goal=result["goal"])] if result["gpus_needed"] else []
    steady = result["rate"] < hand["capacity"] and opened["answered"] == opened["sent"]
    key = "simulate.little" if steady else "simulate.no_little"
    said += [text(key, **result["little"], rate=result["rate"], mean=opened["mean"])]
    if hand["alone"] > result["goal"]:
        said.append(text("simulate.infeasible", alone=hand["alone"], goal=result["goal"]))
    if result["rate"] >= hand["capacity"]:
        said.append(_overloaded(result["rate"], hand["capacity"], opened, text))
    if result["gpus_needed"] is None:
        said.append(text("simulate.none", goal=result["goal"]))
    said.append(text("simulate.closed", rate=closed["rate"], closed=closed["p99"], open=opened["p99"]))
    if hand["wait"] is not None and hand["waiting_percent"] is not None:
        key = "simulate.erlang" if hand["waiting_percent"] > WORTH_SAYING else "simulate.no_queue"
        waits = {"wait": hand["wait"], "general": hand["general_wait"]}
        queue = (hand["general_wait"] or 0) > LONG_WAIT * hand["latency"]
        slow = text("simulate.slow_queue" if queue else "simulate.slow_step")
        said.append(text(key, slots=hand["slots"], percent=hand["waiting_percent"], slow=slow, **waits))
    said.append(
        text("simulate.cost", price=given("price"), dollars=dollars(result), replicas=result["replicas"])
    )
    busy, running = result["busy_percent"], result["little"]["in_flight"]
    return [*said, text("simulate.busy", busy=busy, in_flight=running)]


def full_batches(result: SimulateResult) -> float:
    """GPUs whose full batches match the mean load, a few percent over or under: no room for chance."""
    a_gpu = result["by_hand"]["capacity"] / result["replicas"]
    return float(max(1, math.ceil(result["rate"] / a_gpu - ABOUT)))


def dollars(result: SimulateResult) -> float:
    """Of a million tokens of answers: what is refused, or beyond the capacity, earns nothing."""
    opened, offered = result["open"], result["rate"]
    answered = min(offered * opened["answered"] / max(opened["sent"], 1), result["by_hand"]["capacity"])
    hourly = 3600 * answered * result["tokens"]
    return result["replicas"] * given("price") / hourly * MILLION


def _overloaded(rate: float, capacity: float, opened: Seen, text: Words) -> str:
    """More comes than full batches can answer: the queue grows, and where it is full the rest is refused."""
    lost = opened["rejected"] + opened["expired"]
    key = "simulate.overloaded_full" if lost else "simulate.overloaded"
    return text(key, capacity=capacity, growing=rate - capacity, lost=lost, sent=opened["sent"])
