"""Pruning: what weights that are zero or gone do to held-out text, to the bytes, and to the time of a step.

Single numbers by size, two of every four, whole heads, whole channels; nothing is trained afterwards. A zero
is multiplied like any other number: only a matrix that is smaller, or stored otherwise, is read faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, whole
from labs.contract.drawing import Figure, error_bars, power_ticks
from labs.tools.budgets import PerDevice

if TYPE_CHECKING:
    from torch import Tensor

    from minimind_core.model.minimind import MiniMind

SHARES = (25, 50, 75)
"""Percent that is taken of numbers, heads and channels."""
KINDS = ("numbers", "csr", "two_four", "heads", "channels")
SYMBOLS = dict(zip(KINDS, ("circle", "x", "star", "square", "diamond"), strict=True))
WIDTH, PROMPT, CAPACITY = 256, 64, 128
WINDOWS = PerDevice(cpu=4, cuda=64, mps=4)
SECONDS = PerDevice(cpu=3.0, cuda=1.0, mps=3.0)
"""For the timings of a kind, but never less than a few rounds."""
SAID = 2.0
"""Times faster, of a model without half of its weights."""
MOST_OF_STRUCTURE, WORTH_IT = 75, 1.1
"""Percent of the heads or channels, and how much faster a step without so many has to be to be called so."""
MEGA = 1e6


@dataclass(frozen=True)
class PruneParams(Params):
    """One share of one's own for single numbers; `windows` 0 are as many as suit the device."""

    sparsity: int = whole(90, 1, 99, primary=True)
    windows: int = whole(0, 0, 200)


class Pruned(TypedDict):
    """One model: the share of the layers' numbers that is gone, what it costs and what it brings."""

    kind: str
    removed: float
    loss: float
    perplexity: float
    layer_bytes: float
    """Of the layers' matrices as they are stored."""
    speedup: dict[str, float]
    """Of a decode step of one user over the whole model's, round by round."""


class PruneResult(TypedDict):
    """`ways` by kind and percent asked for, as "heads_50"; `half_zeros` is the speedup of "numbers_50"."""

    perplexity: float
    layer_bytes: float
    scored_tokens: int
    ways: dict[str, Pruned]
    half_zeros: float


class Prune(Experiment[PruneParams, PruneResult]):
    """Perplexity, bytes and speed of the model with weights set to zero or taken out."""

    def seconds(self, params: PruneParams, device: DeviceClass) -> float:
        windows = params.windows or WINDOWS.on(device)
        return PerDevice(cpu=22.0 + 4.0 * windows, cuda=4.0 + 0.05 * windows).on(device)

    def measure(self, params: PruneParams, ctx: Context) -> PruneResult:
        """Prune kind by kind, read the same text with each model, time a step of all of a kind in turn."""
        from labs.q08_speedup import pruning
        from labs.tools import heldout
        from labs.tools.interleaved import interleaved, ratios

        ctx.progress(0.0, "loading")
        loaded, count = ctx.model(), params.windows or WINDOWS.on(ctx.device)
        dense, rows = loaded.model, heldout.held_out_windows(loaded.tokenizer, "both", count, WIDTH, ctx)
        loss = float(heldout.window_losses(dense, rows, ctx.part(0.02, 0.1, "scoring")).mean())
        whole_step, total = _step(dense, rows), pruning.layer_numbers(dense)
        ways: dict[str, Pruned] = {}
        for index, (kind, makers) in enumerate(pruning.makers(dense, SHARES, params.sparsity).items()):
            start, share = 0.1 + 0.9 * index / len(KINDS), 0.9 / len(KINDS)
            on_progress = ctx.part(start, start + 0.6 * share, "pruning")
            models = {name: make() for name, make in makers.items()}
            losses = {}
            for name, model in models.items():
                if kind == "csr":  # the same numbers as before, stored otherwise
                    losses[name] = ways[name.replace("csr", "numbers")]["loss"]
                else:
                    losses[name] = float(heldout.window_losses(model, rows, on_progress).mean())
            steps = {"whole": whole_step, **{name: _step(model, rows) for name, model in models.items()}}
            timing = ctx.part(start + 0.6 * share, start + share, "timing")
            times = interleaved(steps, ctx.device, SECONDS.on(ctx.device), timing)
            for name, model in models.items():
                ways[name] = {
                    "kind": kind,
                    "removed": 1 - pruning.layer_nonzeros(model) / total,
                    "loss": losses[name],
                    "perplexity": math.exp(losses[name]),
                    "layer_bytes": float(pruning.layer_bytes(model)),
                    "speedup": ratios(times["whole"], times[name]),
                }
        return {
            "perplexity": math.exp(loss),
            "layer_bytes": float(pruning.layer_bytes(dense)),
            "scored_tokens": rows[:, 1:].numel(),
            "ways": ways,
            "half_zeros": ways["numbers_50"]["speedup"]["median"],
        }

    def show(self, result: PruneResult, text: Words) -> Shown:
        """`quality`: perplexity by share removed; `speed`: of a step, with quartiles."""
        half = result["ways"]["numbers_50"]
        csr = result["ways"]["csr_50"]
        return Shown(
            {"quality": _quality(result, text), "speed": _speed(result, text)},
            rows=[_row(name, way, text) for name, way in result["ways"].items()],
            notes=[
                text("prune.sentence"),
                text(
                    "prune.text",
                    tokens=result["scored_tokens"],
                    perplexity=f"{result['perplexity']:.2f}",
                    half=f"{half['perplexity']:.2f}",
                ),
                text(
                    "prune.csr",
                    dense=f"{result['layer_bytes'] / MEGA:.1f}",
                    sparse=f"{csr['layer_bytes'] / MEGA:.1f}",
                    speed=f"{csr['speedup']['median']:.2f}",
                ),
                _smaller(result, text),
            ],
            numbers={
                f"{_name(name, text)} (×)": way["speedup"]["median"] for name, way in result["ways"].items()
            },
            sentence={
                "said": SAID,
                "formula": 1.0,
                "measured": result["half_zeros"],
                "unit": "×",
                "low": half["speedup"]["low"],
                "high": half["speedup"]["high"],
            },
        )


def _smaller(result: PruneResult, text: Words) -> str:
    """Whether the time follows where whole heads and channels are gone, or waits for something else."""
    heads, channels = (
        result["ways"][f"{kind}_{MOST_OF_STRUCTURE}"]["speedup"] for kind in ("heads", "channels")
    )
    key = "smaller" if channels["low"] > WORTH_IT else "launches"
    speeds = {"heads": f"{heads['median']:.2f}", "channels": f"{channels['median']:.2f}"}
    return text(f"prune.{key}", share=MOST_OF_STRUCTURE, **speeds)


def _step(model: MiniMind, rows: Tensor) -> Callable[[], Tensor]:
    """A decode step of one user after the first tokens of a text, ids int64 [N, T]."""
    import torch

    from minimind_core.decoding.step import Step

    device = model.device
    step = Step(model, 1, CAPACITY, "eager")
    step.prefill([rows[0, :PROMPT].tolist()])
    ids, position = rows[:1, PROMPT : PROMPT + 1].to(device), torch.tensor([[PROMPT]], device=device)
    return lambda: step(ids, position)


def _name(name: str, text: Words) -> str:
    kind, _, percent = name.rpartition("_")
    return text(f"pruned.{kind}") if kind == "two_four" else f"{text(f'pruned.{kind}')}, {percent}%"


def _row(name: str, way: Pruned, text: Words) -> Row:
    speedup = way["speedup"]
    return {
        text("pruned"): _name(name, text),
        text("axis.removed"): 100 * way["removed"],
        text("perplexity"): way["perplexity"],
        text("axis.layer_megabytes"): way["layer_bytes"] / MEGA,
        text("axis.step_speedup"): f"{speedup['median']:.2f} ({speedup['low']:.2f}–{speedup['high']:.2f})",
    }


def _of_kind(result: PruneResult, kind: str) -> tuple[list[float], list[Pruned]]:
    """Percent removed and the models of a kind, by percent."""
    ways = [way for way in result["ways"].values() if way["kind"] == kind]
    return [100 * way["removed"] for way in ways], ways


def _quality(result: PruneResult, text: Words) -> Figure:
    """Every line begins at the whole model; CSR holds the same numbers as the zeros, so it has none."""
    figure = Figure(height=360)
    for kind in KINDS:
        removed, ways = _of_kind(result, kind)
        if kind == "csr":
            continue
        y = [way["perplexity"] for way in ways]
        symbol, label = SYMBOLS[kind], text(f"pruned.{kind}")
        if kind == "two_four":
            figure.marks(removed, y, "measured", label, symbol=symbol, size=12, hover="%{x:.0f}%: %{y:.4g}")
            continue
        figure.line(
            [0, *removed],
            [result["perplexity"], *y],
            "measured",
            label,
            symbol=symbol,
            size=8,
            hover="%{x:.0f}%: %{y:.4g}",
        )
    highest = max(way["perplexity"] for way in result["ways"].values())
    figure.x_axis(text("axis.removed"), span=(-3, 103))
    low, high = math.log10(result["perplexity"] / 1.5), math.log10(2 * highest)
    figure.y_axis(text("perplexity"), log=True, ticks=power_ticks(1.0, 2 * highest), span=(low, high))
    return figure


def _speed(result: PruneResult, text: Words) -> Figure:
    """What a step gains, beside nothing, and beside time that falls as the weights do."""
    figure = Figure(height=380)
    highest = 1.0
    for kind in KINDS:
        removed, ways = _of_kind(result, kind)
        speedups = [way["speedup"]["median"] for way in ways]
        highest = max(highest, *(way["speedup"]["high"] for way in ways))
        figure.line(
            removed,
            speedups,
            "measured",
            text(f"pruned.{kind}"),
            symbol=SYMBOLS[kind],
            size=8,
            hover="%{x:.0f}%: %{y:.2f}×",
            error_y=error_bars(speedups, [way["speedup"] for way in ways]),
        )
    figure.line([0, 100], [1, 1], "peer", text("nothing"))
    said = [percent for percent in range(0, 100, 5) if 1 / (1 - percent / 100) <= 1.1 * highest + 1]
    figure.line(said, [1 / (1 - percent / 100) for percent in said], "said", text("said"))
    figure.x_axis(text("axis.removed"), span=(-3, 103))
    figure.y_axis(text("axis.step_speedup"), from_zero=True)
    return figure
