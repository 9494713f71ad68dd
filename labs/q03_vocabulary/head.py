"""What the head takes beside the body, on the clock: the real layers, and heads of three sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from labs.contract import Context, Data, DeviceClass, Experiment, Params, Row, Shown, Words
from labs.contract.drawing import Figure, error_bars
from labs.contract.fields import choice
from labs.q03_vocabulary import prices
from labs.q03_vocabulary.prices import LARGE, OURS
from labs.tools.budgets import PerDevice
from minimind_core.model.cost import matmul_parameters

ENTRIES = (OURS, 32_000, LARGE)
SECONDS = PerDevice(cpu=4.0, cuda=1.0, mps=2.0)
"""For all timings of one run."""
LAUNCH_BOUND = 4
"""How many times shorter than by operations the head is beside layers that wait for launches."""
SECONDS_A_TOKEN = PerDevice(cpu=0.02, cuda=2e-5)
"""Of one round."""

Quartiles = dict[str, dict[str, float]]
"""Median, low and high by "body" or entries as text."""


@dataclass(frozen=True)
class HeadParams(Params):
    """One text of so many tokens: 1 is a decode step without its cache, more is a training row."""

    tokens: int = choice(32, (1, 8, 32, 128, 512), primary=True)


class HeadResult(TypedDict):
    """Milliseconds, and how long each head takes beside the body, by round; `formula` by FLOPs."""

    tokens: int
    milliseconds: Quartiles
    ratio: dict[str, float]
    spread: Quartiles
    formula: dict[str, dict[str, float]]


class Head(Experiment[HeadParams, HeadResult]):
    """Times the layers of our model and output heads of three sizes in turn."""

    def seconds(self, params: HeadParams, device: DeviceClass) -> float:
        """Building the heads, and at least five rounds."""
        rounds = 10 * params.tokens * SECONDS_A_TOKEN.on(device)
        return PerDevice(cpu=1.0, cuda=1.0).on(device) + max(SECONDS.on(device), rounds)

    def formula(self, params: HeadParams) -> Data:
        """Weights of a head over those of the layers: for FLOPs and for bytes the same."""
        return {"ratio": {str(entries): by_weights(entries) for entries in ENTRIES}}

    def measure(self, params: HeadParams, ctx: Context) -> HeadResult:
        """Heads have random weights, of which the time does not depend."""
        import torch
        import torch.nn.functional as F

        from labs.tools.interleaved import interleaved, middle, ratios

        ctx.progress(0.0, "loading")
        model = ctx.model().model
        weight = model.model.embed_tokens.weight
        random = torch.Generator().manual_seed(0)
        ids = torch.randint(3, weight.shape[0], (1, params.tokens), generator=random).to(weight.device)
        ctx.progress(0.1, "building")
        with torch.inference_mode():
            hidden = model.model(ids)  # [1, T, C]
            matrix = torch.empty(max(ENTRIES), weight.shape[1], device=weight.device, dtype=weight.dtype)
            matrix.uniform_(-0.05, 0.05)  # [V, C], whose first rows are the smaller heads
            ways = {"body": lambda: model.model(ids)} | {
                str(entries): (lambda rows=matrix[:entries]: F.linear(hidden, rows)) for entries in ENTRIES
            }
            on_progress = ctx.part(0.2, 1.0, "timing")
            times = interleaved(ways, ctx.device, SECONDS.on(ctx.device), on_progress)
        beside = {str(entries): ratios(times[str(entries)], times["body"]) for entries in ENTRIES}
        return {
            "tokens": params.tokens,
            "milliseconds": {name: middle([1000 * second for second in row]) for name, row in times.items()},
            "ratio": {entries: row["median"] for entries, row in beside.items()},
            "spread": beside,
            "formula": {"ratio": {str(entries): by_weights(entries) for entries in ENTRIES}},
        }

    def show(self, result: HeadResult, text: Words) -> Shown:
        """`beside`: each head's time over the body's, by FLOPs and on the clock."""
        largest = str(LARGE)
        spread = result["spread"][largest]
        return Shown(
            {"beside": _beside(result, text)},
            _rows(result, text),
            [text("note.head"), _clock(result, text)],
            {text("head_of_large"): result["ratio"][largest]},
            {
                "said": 0.0,
                "formula": result["formula"]["ratio"][largest],
                "measured": result["ratio"][largest],
                "unit": "×",
                "low": spread["low"],
                "high": spread["high"],
            },
        )


def by_weights(entries: int) -> float:
    """Weights of the head over those of the layers.

    >>> round(by_weights(100_000), 2)
    2.27
    """
    weights = matmul_parameters(prices.shape(entries))
    return weights["head"] / weights["layers"]


def _clock(result: HeadResult, text: Words) -> str:
    """What decides here, and what would change it."""
    largest = str(LARGE)
    if result["spread"][largest]["high"] < result["formula"]["ratio"][largest] / LAUNCH_BOUND:
        return text("note.clock_launches", tokens=result["tokens"])
    return text("note.clock_one") if result["tokens"] == 1 else text("note.clock", tokens=result["tokens"])


def _beside(result: HeadResult, text: Words) -> Figure:
    figure, names = Figure(), [f"{entries:,}" for entries in ENTRIES]
    expected = list(result["formula"]["ratio"].values())
    measured, spread = list(result["ratio"].values()), list(result["spread"].values())
    figure.bars(names, expected, "formula", text("by_flops"), labels="{:.2f}×", hover="%{x}: %{y:.2f}×")
    figure.marks(
        names,
        measured,
        "measured",
        text("on_the_clock"),
        size=12,
        hover="%{x}: %{y:.2f}×",
        error_y=error_bars(measured, spread),
    )
    figure.line([names[0], names[-1]], [1, 1], "peer", text("as_the_body"))
    figure.x_axis(text("axis.entries"), category=True)
    figure.y_axis(text("axis.head_ratio"), from_zero=True)
    return figure


def _rows(result: HeadResult, text: Words) -> list[Row]:
    names = {"body": text("part.body")} | {str(entries): f"{entries:,}" for entries in ENTRIES}
    return [
        {
            text("column.what"): names[name],
            text("column.milliseconds"): row["median"],
            text("column.low"): row["low"],
            text("column.high"): row["high"],
        }
        for name, row in result["milliseconds"].items()
    ]
