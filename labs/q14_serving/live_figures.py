"""What is drawn and said of a real service under load, while it runs and after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labs.contract import Figure, Role, Row, Shown, Words
from labs.q14_serving.curves import SECOND
from labs.q14_serving.live_path import path_figure
from labs.q14_serving.live_seen import ANSWERED, REFUSED, LiveResult, Outcome, Request, Run, latency
from labs.q14_serving.queueing import percentile
from labs.tools.written import small_number

ROLES: dict[str, Role] = {"sound": "measured", "broken": "said"}
SHOWN = (
    "rate",
    "served",
    "goodput",
    "in_time_percent",
    "p50",
    "p95",
    "p99",
    "first_p95",
    "refused",
    "failed",
    "degraded",
)
"""Columns that are there for every service."""
RARE = ("refusal", "recovery")
CROWD = 1.2
"""Rate over capacity from which on a queue is seen to grow."""
EVERY, WINDOW = 0.25, 1.0
"""Seconds between two points of a line, and that each sums up."""


def shown(result: LiveResult, text: Words) -> Shown:
    """All of it."""
    services = result["services"]
    figures = {
        "latency": _latencies(result, text),
        "path": path_figure(result, text),
        "rates": _rates(result, text),
        "tails": _tails(result, text),
        "queue": _queue(result, text),
        "guess": _guess(result, text),
    }
    rows = [_row(name, run["outcome"], text) for name, run in services.items()]
    last = list(services.values())[-1]["outcome"]
    numbers = {text(f"live.{key}"): float(last[key]) for key in ("in_time_percent", "goodput", "p95")}
    return Shown(figures, rows, _notes(result, text), numbers)


def _latencies(result: LiveResult, text: Words) -> Figure:
    """A mark a request where it was due, of a shape by what became of it; the goal, and P95 of a second."""
    figure = Figure()
    for name, run in result["services"].items():
        role, answered = ROLES[name], [one for one in run["requests"] if one["kind"] == ANSWERED]
        kinds = (
            ("", [one for one in answered if not one["degraded"]], "circle"),
            (text("live.by_smaller"), [one for one in answered if one["degraded"]], "diamond-open"),
            (text("live.lost"), [one for one in run["requests"] if one["kind"] != ANSWERED], "x"),
        )
        for label, some, symbol in kinds:
            figure.marks(
                [one["due"] for one in some],
                [latency(one, run) for one in some],
                role,
                f"{text(f'live.{name}')}{label}",
                symbol=symbol,
                size=7,
                showlegend=bool(some),
                customdata=[[one["kind"]] for one in some],
                hover=text("live.hover", due="%{x:.2f}", latency="%{y:,.0f}", kind="%{customdata[0]}"),
            )
        times = _times(run)
        tails = [_tail(_ended(run, time), run) for time in times]
        figure.line(times, tails, role, showlegend=False, width=2, connectgaps=True, hover="P95 %{y:,.0f} ms")
    last = max(run["seconds"] for run in result["services"].values())
    figure.line(
        [0, last], [result["goal"]] * 2, "formula", text("goal_line"), hover="%{y:,.0f} ms", width=1.5
    )
    figure.x_axis(text("axis.due"), from_zero=True)
    figure.y_axis(text("axis.latency"), from_zero=True)
    return figure


def _rates(result: LiveResult, text: Words) -> Figure:
    """Sent, answered in time, and told no where anybody was, over the second before."""
    figure = Figure(height=280)
    for name, run in result["services"].items():
        times = _times(run)
        if name == "sound":
            sent = [sum(time - WINDOW < one["gone"] <= time for one in run["requests"]) for time in times]
            figure.line(times, _a_second(times, sent), "peer", text("live.sent"), hover="%{y:.3g}", width=1.5)
        met = [_met(_ended(run, time), run, result["goal"]) for time in times]
        figure.line(
            times, _a_second(times, met), ROLES[name], text(f"live.{name}"), hover="%{y:.3g}", width=2.5
        )
        if run["outcome"]["refused"]:
            told_no = [sum(one["kind"] == REFUSED for one in _ended(run, time)) for time in times]
            label = f"{text(f'live.{name}')}{text('live.told_no')}"
            figure.line(times, _a_second(times, told_no), ROLES[name], label, hover="%{y:.3g}", width=1)
    figure.x_axis(text("axis.seconds"), from_zero=True)
    figure.y_axis(text("axis.goodput"), from_zero=True)
    return figure


def _tails(result: LiveResult, text: Words) -> Figure:
    """Percentiles of what was answered in the second before, and of its first tokens: the service of last."""
    figure = Figure(height=280)
    name, run = list(result["services"].items())[-1]
    times = _times(run)
    windows = [[one for one in _ended(run, time) if one["kind"] == ANSWERED] for time in times]
    for key, percent in (("p50", 50), ("p95", 95), ("p99", 99)):
        whole = [[latency(one, run) for one in window] for window in windows]
        _tail_line(figure, times, whole, percent, ROLES[name], text(f"live.{key}"))
    first = [
        [SECOND * (one["first"] - one["due"]) for one in window if one["first"] is not None]
        for window in windows
    ]
    _tail_line(figure, times, first, 95, ROLES[name], text("live.first_p95"), width=1.0)
    figure.x_axis(text("axis.seconds"), from_zero=True)
    figure.y_axis(text("axis.latency"), from_zero=True)
    return figure


def _tail_line(
    figure: Figure,
    times: Sequence[float],
    windows: Sequence[Sequence[float]],
    percent: int,
    role: Role,
    name: str,
    width: float = 2.0,
) -> None:
    heights = [percentile(window, percent) if window else None for window in windows]
    figure.line(times, heights, role, name, hover="%{y:,.0f} ms", width=width, connectgaps=True)


def _queue(result: LiveResult, text: Words) -> Figure:
    """Who waits, as a line, and who runs, as a thin one; a gap where it did not answer; a second to drag."""
    figure, most, second = Figure(height=280), 1, result["view"]["second"]
    for name, run in result["services"].items():
        seconds = [look["second"] for look in run["looks"]]
        for key, width in (("waiting", 2.5), ("running", 1.0)):
            label = f"{text(f'live.{name}')}: {text(f'live.{key}')}"
            counts = [look[key] for look in run["looks"]]  # type: ignore[literal-required]
            most = max(most, *(count or 0 for count in counts))
            figure.line(seconds, counts, ROLES[name], label, shape="hv", width=width, hover="%{y}")
    figure.line([second, second], [0, most], "formula", showlegend=False, width=2)
    figure.drag("at", text("live.second", value="{value}"))
    figure.x_axis(text("axis.seconds"), from_zero=True)
    figure.y_axis(text("axis.requests"), from_zero=True)
    return figure


def _guess(result: LiveResult, text: Words) -> Figure:
    """What was predicted, what capacity over rate says, and what came of it, in percent."""
    figure = Figure(height=90 + 44 * (2 + len(result["services"])))
    last = list(result["services"].values())[-1]
    bars: list[tuple[Role, str, float]] = [
        ("predicted", text("live.guessed"), result["guess"]),
        ("formula", text("live.by_hand"), last["by_hand"]),
        *(
            (ROLES[name], text(f"live.{name}"), run["outcome"]["in_time_percent"])
            for name, run in result["services"].items()
        ),
    ]
    for role, name, percent in bars:
        figure.bars(
            [percent], [name], role, horizontal=True, labels="{:.0f}%", showlegend=False, hover="%{x:.1f}%"
        )
    figure.x_axis(text("live.in_time_percent"), span=(0, 125))
    figure.y_axis(reverse=True)
    return figure


def _row(name: str, outcome: Outcome, text: Words) -> Row:
    row: Row = {text("live.service"): text(f"live.{name}")}
    row |= {text(f"live.{key}"): outcome[key] for key in SHOWN}  # type: ignore[literal-required]
    for key in RARE:
        value = outcome[key]  # type: ignore[literal-required]
        row[text(f"live.{key}")] = text("live.nobody") if value is None else value
    return row


def _notes(result: LiveResult, text: Words) -> list[str]:
    """What broke and what repairs it; how the prediction fared; what has to be known to read it."""
    services, fault = result["services"], result["fault"]
    sound = services["sound"]
    said = {
        f"{name}_{key}": _written(key, value, text)
        for name, run in services.items()
        for key, value in {**run["outcome"], "capacity": run["capacity"], "planned": run["planned"]}.items()
    }
    told = (
        text(f"live.{fault}", **said, slots=sound["slots"], goal=result["goal"], rate=sound["rate"])
        if (fault == "none" or "broken" in services)
        else text("live.waiting_for_broken")
    )
    last = list(services.values())[-1]
    measured = result["in_time_percent"]
    fastest, goal = sound["outcome"]["fastest"], result["goal"]
    remarks = [text("live.infeasible", fastest=fastest, goal=goal)] if fastest > goal else []
    if fault == "unbounded_queue" and sound["rate"] < CROWD * sound["capacity"]:
        remarks.append(text("live.not_crowded", rate=sound["rate"], capacity=sound["capacity"]))
    return [
        told,
        *remarks,
        text("live.predicted", guess=result["guess"], by_hand=last["by_hand"], measured=measured),
        text("live.rate_note", rate=sound["rate"], capacity=sound["capacity"], sent=last["outcome"]["sent"]),
    ]


def _written(key: str, value: Any, text: Words) -> Any:
    """A number for a note; one that may be missing is written here, since no format takes both."""
    if value is None:
        return text("live.nobody")
    return small_number(value) if key in RARE else value


def _times(run: Run) -> list[float]:
    last = max(request["end"] for request in run["requests"])
    return [EVERY * place for place in range(int(last / EVERY) + 2)]


def _ended(run: Run, time: float) -> list[Request]:
    """Its requests that ended within the window before."""
    return [one for one in run["requests"] if time - WINDOW < one["end"] <= time]


def _tail(ended: Sequence[Request], run: Run) -> float | None:
    times = [latency(one, run) for one in ended if one["kind"] == ANSWERED]
    return percentile(times, 95) if times else None


def _met(ended: Sequence[Request], run: Run, goal: float) -> float:
    return sum(one["kind"] == ANSWERED and latency(one, run) <= goal for one in ended)


def _a_second(times: Sequence[float], counts: Sequence[float]) -> list[float]:
    """At the beginning the window is shorter."""
    return [count / min(WINDOW, time or WINDOW) for time, count in zip(times, counts, strict=True)]
