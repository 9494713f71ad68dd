"""The real torch.amp.GradScaler step by step, beside its rule as a pure function.

The rule is that of Micikevicius et al. 2017 as torch keeps it. The real scaler scales the loss of a single
weight on the CPU: its decisions need no GPU.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, TypedDict

import numpy as np

from labs.contract import (
    Context,
    DeviceClass,
    Experiment,
    Floats,
    Ints,
    OnProgress,
    Params,
    Shown,
    ThreeNumbers,
    Words,
)
from labs.contract.drawing import Figure
from labs.contract.fields import ParamError, real, text, whole
from labs.tools.number_formats import INFINITE_FP16, LARGEST_FP16
from labs.tools.written import binary_ticks

if TYPE_CHECKING:
    from torch.amp import GradScaler

MAX_STEPS = 20_000
POSITIVE_SCALE = "The scale must be positive."
FACTORS = "Backoff must be below 1 and growth above 1."
ONE_STEP = "Need at least one step."
UNEXPECTED = 2.0**24
"""Scales above it are allowed; gradients of usual size overflow there."""
MOST_CHANGES = 64
"""Rows of the table of steps at which the scale changed."""
MANY = 300
"""More steps than this are drawn without a mark for each."""


@dataclass(frozen=True)
class ScalerParams(Params):
    """A scaler before gradients that fit up to a scale, with more steps that overflow in any case."""

    init_scale: float = real(
        65536.0, 0, 2.0**100, step=1.0, above_minimum=True, primary=True, low_sentence=POSITIVE_SCALE
    )
    fits_exponent: int = whole(10, 0, 24, primary=True)
    steps: int = whole(40, 1, MAX_STEPS, primary=True, low_sentence=ONE_STEP)
    growth_interval: int = whole(2000, 1, 5000, low_sentence=ONE_STEP)
    growth_factor: float = real(2.0, 1, 16, step=0.5, above_minimum=True, low_sentence=FACTORS)
    backoff_factor: float = real(0.5, 0, 1, step=0.05, above_minimum=True, sentence=FACTORS)
    overflows: str = text("", max_length=200)
    """Steps that overflow whatever the scale, such as "12, 30-35"; the first step is 1."""

    def check_together(self) -> None:
        """A backoff of 1 would keep the scale, and the list of steps has to be one."""
        if self.backoff_factor >= 1:
            raise ParamError("together", "backoff_factor", FACTORS, key="q10.backoff_factor")
        read_steps(self.overflows)


class Step(NamedTuple):
    """Whether the optimizer ran, and scale and counter of good steps after `update()`."""

    applied: bool
    scale: float
    tracker: int


class Trace(TypedDict):
    """Arrays by step, and the counts."""

    scale: Floats
    tracker: Ints
    applied: Ints
    skipped_steps: int
    last_scale: float
    init_scale: float
    expect_overflow: bool


class ScalerResult(Trace):
    """What the real scaler did; the formula's trace alone has no more than that."""

    formula: NotRequired[Trace]
    weight_is_nan: NotRequired[bool]
    equal: NotRequired[bool]


class Scaler(Experiment[ScalerParams, ScalerResult]):
    """Scale, counter and decision at every step, of torch and of the formula."""

    drawn_by_formula = True

    def seconds(self, params: ScalerParams, device: DeviceClass) -> float:
        return 0.3 + params.steps * 3e-4

    def formula(self, params: ScalerParams) -> Trace:
        return _trace(rule_steps(params), params)

    def measure(self, params: ScalerParams, ctx: Context) -> ScalerResult:
        from torch.amp import GradScaler

        scaler = GradScaler("cpu", init_scale=params.init_scale, **_rule(params))
        steps, is_nan = real_steps(scaler, gradients(params), ctx.part(0.0, 1.0, "stepping"))
        equal = steps == rule_steps(params)
        formula = self.formula(params)
        return {**_trace(steps, params), "formula": formula, "weight_is_nan": is_nan, "equal": equal}

    def show(self, result: ScalerResult, text: Words) -> Shown:
        formula, skipped = result.get("formula", result), result["skipped_steps"]
        notes = [text("note.expect")] if result["expect_overflow"] else []
        sentence: ThreeNumbers | None = None
        if "formula" in result:
            notes.append(text("note.equal" if result["equal"] else "note.unequal"))
            notes += [text("note.spoilt")] if result["weight_is_nan"] else []
            sentence = {"said": 1, "formula": formula["skipped_steps"], "measured": skipped, "unit": ""}
        path = [result["init_scale"], *result["scale"].tolist()]
        changed = [step for step in range(1, len(path)) if path[step] != path[step - 1]]
        return Shown(
            {"scale": _scale(result, formula, text), "tracker": _tracker(result, formula, text)},
            rows=[
                {text("axis.step"): step, text("before"): path[step - 1], text("axis.scale"): path[step]}
                for step in changed[:MOST_CHANGES]
            ],
            notes=notes,
            numbers={text("skipped"): skipped, text("axis.scale"): result["last_scale"]},
            sentence=sentence,
        )


def rule_steps(params: ScalerParams) -> list[Step]:
    """What the scaler does by its rule."""
    scale, tracker, steps = _fp32(params.init_scale), 0, []
    for gradient in gradients(params):
        overflows = not scale * gradient < INFINITE_FP16  # nor is 0 times Inf
        scale, tracker = next_state(scale, tracker, overflows, **_rule(params))
        steps.append(Step(not overflows, scale, tracker))
    return steps


def next_state(
    scale: float,
    tracker: int,
    found_inf: bool,
    growth_factor: float = 2.0,
    backoff_factor: float = 0.5,
    growth_interval: int = 2000,
) -> tuple[float, int]:
    """Scale and counter of good steps after one `update()`, in FP32 as torch keeps the scale.

    A scale that would no longer be finite is not grown, but its counter starts again.

    >>> next_state(65536.0, 1999, False), next_state(65536.0, 1999, True)
    ((131072.0, 0), (32768.0, 0))
    """
    if found_inf:
        return _fp32(scale * backoff_factor), 0
    if tracker + 1 < growth_interval:
        return scale, tracker + 1
    grown = _fp32(scale * growth_factor)
    return (grown if math.isfinite(grown) else scale), 0


def real_steps(
    scaler: GradScaler, gradients: Sequence[float], on_progress: OnProgress
) -> tuple[list[Step], bool]:
    """One optimizer step for each true gradient, which passes through FP16 on its way to the weight.

    Also gives whether the weight is NaN at the end. A weight whose step was skipped is the same bit for
    bit. Once the scale is zero, 1 / scale is Inf: the check sees a finite 0, and 0 * Inf is applied.
    """
    import torch

    weight, ran = torch.nn.Parameter(torch.zeros(1)), [False]
    optimizer = torch.optim.SGD([weight], lr=1.0)
    optimizer.register_step_post_hook(lambda *_: ran.__setitem__(0, True))
    steps = []
    for index, gradient in enumerate(gradients):
        on_progress(index / len(gradients))
        optimizer.zero_grad()
        before, ran[0] = weight.detach().clone(), False
        loss = weight.half().float() * gradient  # backward: gradient * scale is rounded to FP16
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        assert ran[0] or torch.equal(before.view(torch.int32), weight.detach().view(torch.int32))
        steps.append(Step(ran[0], scaler.get_scale(), scaler._get_growth_tracker()))
    return steps, bool(weight.isnan())


def gradients(params: ScalerParams) -> list[float]:
    """The true gradient of every step: one that fits up to the asked scale, Inf at the steps named."""
    usual, named = LARGEST_FP16 / 2.0**params.fits_exponent, read_steps(params.overflows)
    return [math.inf if step in named else usual for step in range(1, params.steps + 1)]


def read_steps(written: str) -> frozenset[int]:
    """The steps named in text such as "12, 30-35"; the first step is 1. Raises ParamError with one sentence.

    >>> sorted(read_steps("12, 3-5"))
    [3, 4, 5, 12]
    """
    steps: set[int] = set()
    ranges = re.sub(r"\s*[-–]\s*", "-", written)
    for part in filter(None, re.split(r"[\s,，;；、]+", ranges)):
        numbers = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part)
        first, last = (int(numbers[1]), int(numbers[2] or numbers[1])) if numbers else (0, 0)
        if not 1 <= first <= last <= MAX_STEPS:
            sentence = f"Write overflowing steps as in 12, 30-35; not {part!r}."
            raise ParamError("together", "overflows", sentence, key="q10.overflows", given=part)
        steps.update(range(first, last + 1))
    return frozenset(steps)


def _rule(params: ScalerParams) -> dict[str, Any]:
    return {name: getattr(params, name) for name in ("growth_factor", "backoff_factor", "growth_interval")}


def _trace(steps: Sequence[Step], params: ScalerParams) -> Trace:
    applied, scale, tracker = zip(*steps, strict=True)
    return {
        "scale": np.array(scale, np.float32),
        "tracker": np.array(tracker, np.int32),
        "applied": np.array(applied, np.int32),
        "skipped_steps": applied.count(False),
        "last_scale": scale[-1],
        "init_scale": params.init_scale,
        "expect_overflow": params.init_scale > UNEXPECTED,
    }


def _fp32(value: float) -> float:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(value))


def _scale(result: ScalerResult, formula: Trace, text: Words) -> Figure:
    """The scale after each step, skipped steps marked."""
    figure, steps = Figure(), np.arange(len(formula["scale"]) + 1)
    path, hover = [formula["init_scale"], *formula["scale"].tolist()], "%{x}: %{y:,.6g}"
    figure.line(steps, path, "formula", text("formula"), hover=hover, shape="hv")
    if "formula" in result:
        applied = result["applied"].astype(bool)
        steps, scales = steps[1:], result["scale"]
        marks, shown = partial(figure.marks, hover=hover, size=8), applied & (len(applied) <= MANY)
        marks(steps[shown], scales[shown], "measured", text("applied"), symbol="circle")
        marks(steps[~applied], scales[~applied], "said", text("skipped"), symbol="x")
    figure.x_axis(text("axis.step"), from_zero=True)
    figure.y_axis(text("axis.scale"), log=True, ticks=binary_ticks(path))
    return figure


def _tracker(result: ScalerResult, formula: Trace, text: Words) -> Figure:
    """Good steps in a row after each step."""
    figure, steps = Figure(), np.arange(1, len(formula["tracker"]) + 1)
    hover = "%{x}: %{y}"
    figure.line(steps, formula["tracker"], "formula", text("formula"), hover=hover, shape="hv")
    if "formula" in result:
        draw = partial(figure.marks, size=6) if len(steps) <= MANY else figure.line
        draw(steps, result["tracker"], "measured", text("measured"), hover=hover)
    figure.x_axis(text("axis.step"), from_zero=True)
    figure.y_axis(text("axis.tracker"), from_zero=True)
    return figure
