"""Two real processes accumulate one window under DistributedDataParallel, with and without `no_sync`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from labs.contract import Context, Data, DeviceClass, Experiment, Params, Row, Shown, Words
from labs.contract.drawing import Figure, Role, error_bars
from labs.contract.fields import choice, whole
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed
from labs.tools.written import small_number
from minimind_core.errors import MiniMindError
from minimind_core.model.config import PRESETS
from minimind_core.model.cost import weight_bytes

RANK = "labs.q09_accumulation.rank_process"
WAYS: dict[str, Role] = {"every": "said", "no_sync": "measured"}
"""After every micro-batch, as DDP does if nobody says otherwise, or once a window."""
WORLD, ROUNDS = 2, 5
PATIENCE = 240.0
"""Seconds for a window of the 26M on a machine that others use too: nothing here can wait in vain."""
COUNTS = (24, 4, 16, 9, 12, 20, 7, 13)
"""Tokens of micro-batches, over and over: unequal, so that only one denominator for all of them is right."""
SAME_GRADIENT = 1e-4
"""Relative errors below this are rounding."""
MB = 1e6


@dataclass(frozen=True)
class RanksParams(Params):
    """Of a rank."""

    steps: int = whole(8, 1, 16, primary=True, low_sentence="Accumulation steps must be at least 1.")
    size: str = choice("minimind-26m", ("nano-rope", "minimind-26m"))
    seed: int = seed()


Spread = dict[str, float]
"""Median, low and high quartile of a number over the rounds."""


class Way(TypedDict):
    """Of one window of one rank: launched all-reduces, the bytes handed to them, seconds; and the largest
    relative error of a rank's gradient against one big batch in one process."""

    all_reduces: int
    megabytes: float
    seconds: Spread
    relative_error: float


class RanksResult(TypedDict):
    """By way of reducing. `time_ratio` is the time without `no_sync` over that with it, round by round;
    `formula_megabytes` is arithmetic."""

    backend: str
    steps: int
    parameters_megabytes: float
    every: Way
    no_sync: Way
    megabytes_ratio: float
    time_ratio: Spread
    formula_megabytes: dict[str, float]


class Ranks(Experiment[RanksParams, RanksResult]):
    """What two ranks send, how long it takes, and that it changes nothing."""

    def seconds(self, params: RanksParams, device: DeviceClass) -> float:
        heavy = params.size == "minimind-26m"
        window = params.steps * (PerDevice(cpu=0.45, cuda=0.03).on(device) if heavy else 0.03)
        return PerDevice(cpu=9.0, cuda=15.0).on(device) + (1 + ROUNDS) * len(WAYS) * window

    def formula(self, params: RanksParams) -> Data:
        """FP32 gradients of all parameters, once or once a micro-batch."""
        return {"formula_megabytes": _arithmetic(params), "megabytes_ratio": float(params.steps)}

    def measure(self, params: RanksParams, ctx: Context) -> RanksResult:
        """NCCL on two GPUs, else gloo on the CPU. Both ways run in turn, in the same two processes."""
        import torch

        from labs.tools.interleaved import middle, ratios
        from labs.tools.rank_pair import run_pair

        nccl = ctx.device == "cuda" and torch.cuda.device_count() > 1
        told = {
            "counts": [COUNTS[place % len(COUNTS)] for place in range(WORLD * params.steps)],
            "size": params.size,
            "seed": params.seed,
            "rounds": ROUNDS,
            "device": "cuda" if nccl else "cpu",
        }
        ranks = run_pair(RANK, told, len(WAYS) * (1 + ROUNDS), ctx.part(0.0, 1.0, "two_ranks"), PATIENCE)
        if failed := [rank["error"] or rank["ended"] for rank in ranks if rank["ended"] != "done"]:
            raise MiniMindError(
                f"The two processes did not end well ({failed[0]:.200}); run it again.",
                key="q09.ranks.failed",
                reason=failed[0][:200],
            )
        reports = [[report for report in rank["reports"] if report["step"]] for rank in ranks]
        seconds = {way: _slower(reports, way) for way in WAYS}
        ways: dict[str, Way] = {
            way: {
                "all_reduces": next(report["all_reduces"] for report in reports[0] if report["way"] == way),
                "megabytes": next(report["bytes"] for report in reports[0] if report["way"] == way) / MB,
                "seconds": middle(seconds[way]),
                "relative_error": max(
                    report["error"] for rank in reports for report in rank if report["way"] == way
                ),
            }
            for way in WAYS
        }
        return {
            "backend": "NCCL" if nccl else "gloo",
            "steps": params.steps,
            "parameters_megabytes": weight_bytes(PRESETS[params.size], 4) / MB,
            "every": ways["every"],
            "no_sync": ways["no_sync"],
            "megabytes_ratio": ways["every"]["megabytes"] / ways["no_sync"]["megabytes"],
            "time_ratio": ratios(seconds["every"], seconds["no_sync"]),
            "formula_megabytes": _arithmetic(params),
        }

    def show(self, result: RanksResult, text: Words) -> Shown:
        """`sent`: megabytes of a window; `seconds`: how long one takes."""
        ways: dict[str, Way] = {"every": result["every"], "no_sync": result["no_sync"]}
        rows: list[Row] = [
            {
                text("reduction"): text(f"reduction.{name}"),
                text("all_reduces"): way["all_reduces"],
                text("axis.megabytes"): round(way["megabytes"], 2),
                text("axis.window_seconds"): round(way["seconds"]["median"], 4),
                text("axis.error"): small_number(way["relative_error"]),
            }
            for name, way in ways.items()
        ]
        ratio = result["time_ratio"]
        same = max(way["relative_error"] for way in ways.values())
        notes = [
            text("ranks.sentence", backend=result["backend"], steps=result["steps"]),
            text("note.counts", every=ways["every"]["all_reduces"], once=ways["no_sync"]["all_reduces"]),
            text("note.slower", ratio=ratio["median"], low=ratio["low"], high=ratio["high"]),
            text(
                "note.same_gradient" if same < SAME_GRADIENT else "note.other_gradient",
                error=small_number(same),
            ),
            text("ranks.change"),
        ]
        return Shown(
            {"sent": _sent(ways, result, text), "seconds": _seconds(ways, text)},
            rows,
            notes,
            {
                f"{text('axis.megabytes')}, {text(f'reduction.{name}')}": way["megabytes"]
                for name, way in ways.items()
            },
            {
                "said": result["parameters_megabytes"],
                "formula": result["formula_megabytes"]["every"],
                "measured": result["every"]["megabytes"],
                "unit": "MB",
            },
        )


def _arithmetic(params: RanksParams) -> dict[str, float]:
    once = weight_bytes(PRESETS[params.size], 4) / MB
    return {"every": once * params.steps, "no_sync": once}


def _slower(reports: Sequence[Sequence[dict[str, Any]]], way: str) -> list[float]:
    """Seconds of every round: a window is over when both ranks are done."""
    rounds = [[report["seconds"] for report in rank if report["way"] == way] for rank in reports]
    return [max(pair) for pair in zip(*rounds, strict=True)]


def _sent(ways: dict[str, Way], result: RanksResult, text: Words) -> Figure:
    figure, hover = Figure(height=240), "%{y}: %{x:,.1f} MB"
    names = [text(f"reduction.{name}") for name in ways]
    sizes = [way["megabytes"] for way in ways.values()]
    figure.bars(
        sizes, names, "measured", text("measured"), hover=hover, labels=" {:,.1f} MB", horizontal=True
    )
    figure.marks(
        list(result["formula_megabytes"].values()),
        names,
        "formula",
        text("formula"),
        hover=hover,
        symbol="line-ns-open",
        size=26,
    )
    figure.x_axis(text("axis.megabytes"), span=(0, 1.45 * max(sizes)))
    figure.y_axis(category=True, reverse=True)
    return figure


def _seconds(ways: dict[str, Way], text: Words) -> Figure:
    figure = Figure(height=240)
    medians = [way["seconds"]["median"] for way in ways.values()]
    figure.bars(
        medians,
        [text(f"reduction.{name}") for name in ways],
        "measured",
        text("measured"),
        hover="%{y}: %{x:.3g} s",
        horizontal=True,
        error_x=error_bars(medians, [way["seconds"] for way in ways.values()]),
        showlegend=False,
    )
    figure.x_axis(text("axis.window_seconds"), from_zero=True)
    figure.y_axis(category=True, reverse=True)
    return figure
