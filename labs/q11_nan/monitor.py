"""Three watches over the same losses: two that are common, and the core's. Simulated losses, real rules."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, Data, Experiment, Params, Row, Shown, Words, choice, real
from labs.contract.drawing import Figure
from labs.tools.sampler import seed

STEPS, WINDOW, SHORT = 3000, 100, 10
"""Losses of a curve; those that the rule of the maximum looks at; those of each of the two means."""
EVENT = 1500
"""The step of the spike, and the first that is NaN."""
LEVEL = 2.0
CURVES = ("flat", "falling", "spike", "nan")
RULES = ("mean", "maximum", "robust")
SAID_PERCENT = 5
"""What is expected of an alarm on a plateau by those who think of a test with a threshold."""


@dataclass(frozen=True)
class MonitorParams(Params):
    """The noise of a loss around 2 nats, its fall a step, the height of the spike, and our threshold."""

    curve: str = choice("spike", CURVES, primary=True)
    noise: float = real(0.1, 0.01, 0.5, step=0.01, primary=True)
    threshold: float = real(8, 2, 20, step=0.5, primary=True)
    fall: float = real(0.0005, 0, 0.005, step=0.0005)
    height: float = real(10, 0.5, 20, step=0.5)
    seed: int = seed()


class MonitorResult(TypedDict):
    """Alarms by rule and curve, in all and the first after the event; percent of the steps on two curves."""

    plateau_percent: float
    falling_percent: float
    alarms: dict[str, dict[str, int]]
    delay: dict[str, dict[str, int]]
    """Steps from the event to the first alarm, -1 where there is none."""
    since: NotRequired[dict[str, dict[str, int]]]
    """Alarms from the event on, and on as many steps of the plateau."""
    curve: str
    losses: NDArray[np.float32]
    heard: dict[str, list[int]]
    """Steps with an alarm on the curve that is drawn."""


class Monitor(Experiment[MonitorParams, MonitorResult]):
    """How often each rule fires where nothing is wrong, and how soon where something is."""

    takes = 2.0

    def formula(self, params: MonitorParams) -> Data:
        """Of two means of ten equal normal losses either is as likely the larger one."""
        spread = params.noise * math.sqrt(2 / SHORT)
        falling = statistics.NormalDist(-SHORT * params.fall, spread)
        return {"plateau_percent": 50.0, "falling_percent": 100 * (1 - falling.cdf(0))}

    def measure(self, params: MonitorParams, ctx: Context) -> MonitorResult:
        curves = {name: _losses(name, params) for name in CURVES}
        steps: dict[str, dict[str, list[int]]] = {rule: {} for rule in RULES}
        for index, rule in enumerate(RULES):
            for number, (name, losses) in enumerate(curves.items()):
                ctx.progress((index + number / len(CURVES)) / len(RULES), "listening")
                fires = _rule(rule, params.threshold)
                steps[rule][name] = [step for step, loss in enumerate(losses) if fires(loss)]
        possible = STEPS - 2 * SHORT + 1
        return {
            "plateau_percent": 100 * len(steps["mean"]["flat"]) / possible,
            "falling_percent": 100 * len(steps["mean"]["falling"]) / possible,
            "alarms": {rule: {name: len(fired) for name, fired in by.items()} for rule, by in steps.items()},
            "delay": {
                rule: {name: _delay(by[name]) for name in ("spike", "nan")} for rule, by in steps.items()
            },
            "since": {
                rule: {name: sum(step >= EVENT for step in fired) for name, fired in by.items()}
                for rule, by in steps.items()
            },
            "curve": params.curve,
            "losses": np.array(curves[params.curve], np.float32),
            "heard": {rule: by[params.curve] for rule, by in steps.items()},
        }

    def show(self, result: MonitorResult, text: Words) -> Shown:
        alarms, delay = result["alarms"], result["delay"]
        since = result.get("since", alarms)  # a run of before has them in all
        rows: list[Row] = [
            {
                text("rule"): text(f"rule.{rule}"),
                **{text(f"curve.{name}"): alarms[rule][name] for name in CURVES},
                text("delay_spike"): _steps(delay[rule]["spike"]),
                text("delay_nan"): _steps(delay[rule]["nan"]),
            }
            for rule in RULES
        ]
        notes = [
            text("note.plateau", plateau=result["plateau_percent"], falling=result["falling_percent"]),
            text(
                "note.rules",
                **{
                    f"{rule}_{curve}": since[rule][curve]
                    for rule in ("maximum", "robust")
                    for curve in ("spike", "flat", "nan")
                },
            ),
        ]
        return Shown(
            {"alarms": _drawn(result, text)},
            rows,
            notes,
            {f"{text('rule.mean')}, {text('curve.flat')} (%)": result["plateau_percent"]},
            {"said": SAID_PERCENT, "formula": 50.0, "measured": result["plateau_percent"], "unit": "%"},
        )


def _losses(name: str, params: MonitorParams) -> list[float]:
    source = random.Random(params.seed)
    fall = params.fall if name == "falling" else 0.0
    losses = [source.gauss(LEVEL + STEPS * fall, params.noise) - fall * step for step in range(STEPS)]
    if name == "spike":
        losses[EVENT] += params.height
    elif name == "nan":
        losses[EVENT:] = [math.nan] * (STEPS - EVENT)
    return losses


def _rule(name: str, threshold: float) -> Callable[[float], bool]:
    """A rule that is told one loss after the other."""
    from minimind_core.training.monitor import LossMonitor

    past: list[float] = []
    ours = LossMonitor(threshold=threshold)

    def maximum(loss: float) -> bool:
        past.append(loss)
        window = past[-WINDOW:]
        return len(window) == WINDOW and bool(np.max(window) > 2 * np.median(window))

    def mean(loss: float) -> bool:
        past.append(loss)
        now, before = past[-SHORT:], past[-2 * SHORT : -SHORT]
        return len(before) == SHORT and sum(now) > sum(before)

    def robust(loss: float) -> bool:
        return ours.hear(loss) is not None

    return {"maximum": maximum, "mean": mean, "robust": robust}[name]


def _delay(fired: list[int]) -> int:
    return next((step - EVENT for step in fired if step >= EVENT), -1)


def _steps(delay: int) -> str:
    return "-" if delay < 0 else str(delay)


def _drawn(result: MonitorResult, text: Words) -> Figure:
    """The last losses before the event and those after it, with a mark below for each alarm."""
    start, end = EVENT - 200, EVENT + 200
    shown = result["losses"][start:end]
    low = float(np.nanmin(shown))
    span = float(np.nanmax(shown)) - low
    figure = Figure()
    figure.line(np.arange(start, end), shown, "peer", text("loss"), hover="%{x}: %{y:.3f}", width=1)
    roles = {"mean": ("said", "x"), "maximum": ("said", "triangle-up"), "robust": ("measured", "diamond")}
    for index, (rule, (role, symbol)) in enumerate(roles.items()):
        steps = [step for step in result["heard"][rule] if start <= step < end]
        level = [low - span * 0.08 * (index + 1)] * len(steps)
        name = text(f"rule.{rule}")
        figure.marks(steps, level, role, name, symbol=symbol, size=7, hover="%{x}")  # type: ignore[arg-type]
    figure.x_axis(text("axis.step"), span=(start, end))
    figure.y_axis(text("axis.loss"))
    return figure
