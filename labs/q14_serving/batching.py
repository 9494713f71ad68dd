"""Static against continuous batching: the same arrivals, our engine, and its own trace of slots.

The engine's steps are the clock, so the trace is exact and the same on any machine; what a step takes is the
calibration's matter. The model is a tiny one without training: what it says does not change who runs when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, choice, real, whole
from labs.contract.drawing import Figure, Role
from labs.q14_serving.queueing import lengths_of, poisson
from labs.q14_serving.slots import Instant, Served, Stay, at, served
from labs.tools.budgets import PerDevice

CHUNK = 16
"""Tokens of prompts that are read in a step."""
ROLES: dict[str, Role] = {"static": "said", "continuous": "measured"}
HOVER = {"number": "%{customdata[0]}", "wait": "%{customdata[1]}", "end": "%{customdata[2]}"}
LABELLED = 5
"""Steps that a bar needs for its request's number."""
SEEN = ("goodput", "p50", "p95", "mean_wait", "used_percent", "needless_percent", "steps")


@dataclass(frozen=True)
class BatchingParams(Params):
    """All times are steps; `at` looks at one of them."""

    slots: int = whole(4, 1, 16, primary=True)
    gap: float = real(4.0, 0.5, 50.0, step=0.5, primary=True)
    at: int = whole(60, 0, 400, primary=True, view=True)
    lengths: str = choice("geometric", ("fixed", "uniform", "geometric"))
    answer: int = whole(16, 1, 60)
    prompt: int = whole(24, 1, 60)
    requests: int = whole(40, 2, 100)
    goal: int = whole(60, 1, 400, label="goal_steps")
    seed: int = whole(0, 0, 999)


class BatchingView(TypedDict):
    """What both ways do at one step."""

    step: int
    ways: dict[str, Instant]


class BatchingResult(TypedDict):
    """Of both ways, by name; `ratio` is P95 of the static one over that of the other."""

    slots: int
    goal: int
    ways: dict[str, Served]
    ratio: float
    view: NotRequired[BatchingView]


class Batching(Experiment[BatchingParams, BatchingResult]):
    """The engine serves the same requests twice: joining at any step, and batch after batch."""

    def seconds(self, params: BatchingParams, device: DeviceClass) -> float:
        tokens = params.requests * (params.answer + params.prompt / CHUNK)
        return 0.5 + tokens * PerDevice(cpu=2e-3, cuda=4e-3).on(device)

    def measure(self, params: BatchingParams, ctx: Context) -> BatchingResult:
        """Both ways on a CPU engine, whatever the device: nothing is timed."""
        from labs.q14_serving.engine_trace import Wish, trace
        from labs.tools.models import TINY, untrained

        model = untrained(TINY, "cpu").eval()
        arrivals = [time / 1000 for time in _arrivals(params)]
        answers = lengths_of(params.lengths, params.answer, params.requests, params.seed + 1)
        prompts = lengths_of("uniform", params.prompt, params.requests, params.seed + 2)
        longest = TINY.max_length - max(prompts)
        wishes = [
            Wish(arrival, prompt, min(answer, longest))
            for arrival, prompt, answer in zip(arrivals, prompts, answers, strict=True)
        ]
        ways: dict[str, Served] = {}
        for name, part in (("static", (0.0, 0.5)), ("continuous", (0.5, 1.0))):
            on_progress = ctx.part(*part, "serving")
            stays = trace(model, wishes, params.slots, CHUNK, on_progress, static=name == "static")
            ways[name] = served(stays, params.slots, params.goal)
        return {
            "slots": params.slots,
            "goal": params.goal,
            "ways": ways,
            "ratio": ways["static"]["p95"] / ways["continuous"]["p95"],
        }

    def view(self, params: BatchingParams, result: BatchingResult) -> BatchingView:
        step = min(params.at, max(way["steps"] for way in result["ways"].values()))
        return {
            "step": step,
            "ways": {name: at(_stays(way), params.slots, step) for name, way in result["ways"].items()},
        }

    def show(self, result: BatchingResult, text: Words) -> Shown:
        """`gantt`: the slots of both ways, step by step; `waiting`: who has no slot yet."""
        ways, view = result["ways"], result["view"]
        rows: list[Row] = [
            {text("batching"): text(f"batching.{name}"), **{text(f"steps.{key}"): way[key] for key in SEEN}}  # type: ignore[literal-required]
            for name, way in ways.items()
        ]
        said = {f"{name}_{key}": way[key] for name, way in ways.items() for key in SEEN}  # type: ignore[literal-required]
        notes = [
            text("batching.sentence", **said, ratio=result["ratio"], goal=result["goal"]),
            text("batching.needless", **said),
            *(
                text("batching.at", step=view["step"], way=text(f"batching.{name}"), **instant)
                for name, instant in view["ways"].items()
            ),
        ]
        numbers = {
            f"{text(f'steps.{key}')}, {text(f'batching.{name}')}": float(way[key])
            for key in ("p95", "goodput", "used_percent")
            for name, way in ways.items()
        }
        figures = {"gantt": _gantt(result, text), "waiting": _waiting(result, text)}
        return Shown(figures, rows, notes, numbers)


def _arrivals(params: BatchingParams) -> list[float]:
    """Of so many requests, a mean gap apart, in thousandths of a step; the first comes at 0."""
    seconds = 10.0 * params.gap * params.requests
    times = poisson(1 / params.gap, seconds, params.seed)[: params.requests]
    return [time - times[0] for time in times]


def _stays(way: Served) -> list[Stay]:
    return [Stay(arrival, *(int(number) for number in others)) for arrival, *others in way["stays"]]


def _gantt(result: BatchingResult, text: Words) -> Figure:
    """A bar a request in its slot: static batches above, continuous ones below; an upright line to drag."""
    slots, step = result["slots"], result["view"]["step"]
    figure, ticks = Figure(barmode="overlay", height=200 + 50 * slots), dict[float, str]()
    for place, (name, way) in enumerate(result["ways"].items()):
        offset = place * (slots + 1)
        ticks |= {offset + slot: f"{slot + 1}" for slot in range(slots)}
        _bars(figure, _stays(way), offset, name, text)
    figure.line([step, step], [-0.6, 2 * slots + 0.6], "formula", showlegend=False, width=2)
    figure.drag("at", text("batching.step", value="{value}"))
    figure.x_axis(text("axis.steps"), from_zero=True)
    figure.y_axis(text("slots"), reverse=True, ticks=ticks, showgrid=False)
    return figure


def _bars(figure: Figure, stays: Sequence[Stay], offset: int, name: str, text: Words) -> None:
    """Its prompt, its tokens with its number, and, in a static batch, until the last of the batch is done."""
    slots, static = [stay.slot + offset for stay in stays], name == "static"
    pieces: list[tuple[Role, str, list[tuple[int, int]]]] = [
        ("peer", text("batching.reading"), [(stay.admitted, stay.first - 1) for stay in stays]),
        (ROLES[name], text(f"batching.{name}"), [(stay.first - 1, stay.end) for stay in stays]),
    ]
    if static:
        pieces.append(("removed", text("batching.held"), [(stay.end, stay.back) for stay in stays]))
    for role, label, spans in pieces:
        tokens = role == ROLES[name]
        figure.bars(
            [end - start for start, end in spans],
            slots,
            role,
            label,
            horizontal=True,
            base=[start for start, _ in spans],
            width=0.8,
            showlegend=tokens or static,
            labels=[
                str(n) if tokens and end - start > LABELLED else "" for n, (start, end) in enumerate(spans, 1)
            ],
            inside=True,
            customdata=[
                [n, f"{stay.admitted - stay.arrival:.1f}", stay.back] for n, stay in enumerate(stays, 1)
            ],
            hover=text("batching.hover", **HOVER),
        )


def _waiting(result: BatchingResult, text: Words) -> Figure:
    figure = Figure(height=260)
    for name, way in result["ways"].items():
        figure.line(
            list(range(way["steps"])),
            way["waiting"],
            ROLES[name],
            text(f"batching.{name}"),
            shape="hv",
            hover="%{x}: %{y}",
        )
    figure.x_axis(text("axis.steps"), from_zero=True)
    figure.y_axis(text("axis.waiting"), from_zero=True)
    return figure
