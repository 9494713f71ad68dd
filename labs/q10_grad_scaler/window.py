"""One gradient of the model in FP32, BF16 and FP16, moved into FP16's window by scale and tokens.

The factor on the summed loss is 2^k / N, a loss scale over the tokens of a mean: only their quotient
matters, so one exponent e = k - log2(N) stands for both. A view moves the FP32 histogram at once; FP16
itself is run at some exponents, each with a backward pass of its own over one forward pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np

from labs.contract import Context, Data, DeviceClass, Experiment, Ints, Numbers, Params, Row, Shown, Words
from labs.contract.drawing import Figure
from labs.contract.fields import choice, whole
from labs.contract.filling import raised
from labs.q10_grad_scaler import cliff
from labs.q10_grad_scaler.moved_histogram import Moved, Place, drawn_histogram, drawn_layers, moved
from labs.tools.budgets import PerDevice
from labs.tools.number_formats import KINDS
from labs.tools.written import short_percent

BATCH = PerDevice(cpu=(1, 12), cuda=(8, 128))
"""Rows and their tokens: a CPU computes FP16 products slowly."""
EVERY = PerDevice(cpu=4, cuda=1)
"""Powers of two between two FP16 backward passes."""
SYMBOLS = {"zero": "circle", "subnormal": "square", "overflow": "triangle-up"}
PRECISIONS = ("fp32", "bf16", "fp16")


@dataclass(frozen=True)
class WindowParams(Params):
    """One gradient of the model. Scale and tokens only move what was measured."""

    specimen: str = choice("random", ("random", "trained", "outlier"), primary=True)
    scale_exponent: int = whole(0, 0, 24, primary=True, view=True)
    tokens_exponent: int = whole(14, 0, 20, primary=True, view=True)
    where: str = choice("all", ("all", "logits", *map(str, range(8))), view=True)
    precision: str = choice("fp16", ("fp16", "bf16", "fp32"), view=True)
    every: int = choice(0, (0, 4, 2, 1))
    """FP16 backward passes at every so many powers of two; 0 as suits the device."""


class HalfPasses(TypedDict):
    """FP16 backward passes: elements [exponents, kinds] by group, and those of `.grad` that are not finite.

    `hooks_finite` says whether every hook saw finite numbers only.
    """

    exponents: list[int]
    counts: dict[str, Ints]
    nonfinite_gradients: list[int]
    hooks_finite: list[bool]


class View(Moved):
    """What is seen of a result: the shares that FP16 itself had, by kind and at the exponents of its passes.

    `nearest` is the index of the pass closest to the move.
    """

    tokens: int
    measured: dict[str, list[float]]
    nearest: int


class WindowResult(TypedDict):
    """FP32 gradients by place, FP16's passes; losses, dtypes and what 1 absorbs by precision; the cliff."""

    places: dict[str, Place]
    fp16: HalfPasses
    loss: Numbers
    dtypes: dict[str, dict[str, str]]
    swallowed: Numbers
    cliff: cliff.Cliff
    formula: cliff.Cliff
    view: NotRequired[View]


class Window(Experiment[WindowParams, WindowResult]):
    """The gradients of one batch in every precision, and the cliff at the logits."""

    def seconds(self, params: WindowParams, device: DeviceClass) -> float:
        passes = len(exponents_of_passes(params.every or EVERY.on(device)))
        return PerDevice(cpu=2 + passes * 0.4, cuda=0.5 + passes * 0.03).on(device)

    def formula(self, params: WindowParams) -> Data:
        return {"cliff": cliff.formula()}

    def measure(self, params: WindowParams, ctx: Context) -> WindowResult:
        import torch

        from labs.q10_grad_scaler import backward_passes as backward
        from labs.tools import heldout, magnitudes
        from minimind_core.device import DTYPES

        ctx.progress(0.0, "building")
        model, texts = backward.specimen(params.specimen, ctx), heldout.held_out("code")[:1]
        rows = heldout.windows(ctx.model().tokenizer, texts, *BATCH.on(ctx.device), seed=0).to(ctx.device)
        exponents = exponents_of_passes(params.every or EVERY.on(ctx.device))
        passes = {}
        for way, factors, start, end in (
            ("fp32", [0], 0.1, 0.15),
            ("bf16", [0], 0.15, 0.2),
            ("fp16", exponents, 0.2, 0.9),
        ):
            look = magnitudes.histogram if way == "fp32" else magnitudes.counts
            on_progress = ctx.part(start, end, "backward", precision=way.upper())
            passes[way] = backward.backward_passes(model, rows, way, look, factors, on_progress)
        ctx.progress(0.92, "cliff")
        with torch.inference_mode():
            own_logits = model(rows[:, :-1]).flatten(0, 1)  # [B * T, V]
        counts = backward.by_group(passes["fp16"].places)
        return {
            "places": {
                name: {"group": backward.group_of(name), "histogram": bins, "zeros": zeros}
                for name, [(bins, zeros)] in passes["fp32"].places.items()
            },
            "fp16": {
                "exponents": exponents,
                "counts": counts,
                "nonfinite_gradients": passes["fp16"].nonfinite,
                "hooks_finite": [bool(numbers[-1] == 0) for numbers in counts["all"]],
            },
            "loss": {way: seen.loss for way, seen in passes.items()},
            "dtypes": {way: seen.dtypes for way, seen in passes.items()},
            "swallowed": {name: magnitudes.swallowed(dtype) for name, dtype in DTYPES.items()},
            "cliff": cliff.measured(own_logits.clone(), rows[:, 1:].flatten()),
            "formula": cliff.formula(),
        }

    def view(self, params: WindowParams, result: WindowResult) -> View:
        shift, passes = params.scale_exponent - params.tokens_exponent, result["fp16"]
        where = params.where if params.where in passes["counts"] else "logits"
        counted = np.asarray(passes["counts"][where], float)  # [exponents, kinds]
        measured = (counted / counted.sum(1, keepdims=True)).T
        return {
            **moved(result["places"], where, shift, params.precision),
            "tokens": 2**params.tokens_exponent,
            "measured": {kind: parts.tolist() for kind, parts in zip(KINDS, measured, strict=True)},
            "nearest": int(np.argmin(np.abs(np.array(passes["exponents"]) - shift))),
        }

    def show(self, result: WindowResult, text: Words) -> Shown:
        view = result["view"]
        numbers = {
            f"{text(f'kind.{kind}')} (%)": 100 * view["shares"][kind]
            for kind in ("zero", "subnormal", "overflow")
        }
        figures = {
            "histogram": drawn_histogram(view, text),
            "factor": _factor(view, result["fp16"], text),
            "layers": drawn_layers(view["layers"], text),
            "cliff": cliff.drawn(result["formula"], result["cliff"], view["tokens"], text),
        }
        return Shown(
            figures,
            rows=_rows(result, text),
            notes=[text("cliff.sentence"), *_notes(result, view, text)],
            numbers=numbers,
            sentence={
                "said": cliff.SAID_TOKENS,
                "formula": result["formula"]["last_safe"],
                "measured": result["cliff"]["last_safe"],
                "unit": "",
            },
        )


def exponents_of_passes(every: int) -> list[int]:
    """Exponents of the factor at which FP16 is run, `every` apart; scale 1 at 2^14 tokens is one of them.

    >>> exponents_of_passes(4)
    [-18, -14, -10, -6, -2, 2, 6, 10, 14, 18]
    """
    return [exponent for exponent in range(-20, 21) if (exponent + 14) % every == 0]


def _factor(view: View, passes: HalfPasses, text: Words) -> Figure:
    """Shares by factor: of the moved histogram, and of FP16 itself; where a scaler would skip the step."""
    figure, hover = Figure(), "2^%{x}: %{y:.2f}%"
    for kind, symbol in SYMBOLS.items():
        moved = [100 * shares[kind] for shares in view["curve"].values()]
        measured = [100 * share for share in view["measured"][kind]]
        figure.line(
            [int(exponent) for exponent in view["curve"]],
            moved,
            "formula",
            text("moved"),
            hover=hover,
            showlegend=kind == "zero",
        )
        figure.marks(
            passes["exponents"],
            measured,
            "measured",
            f"FP16: {text(f'kind.{kind}')}",
            hover=hover,
            symbol=symbol,
            size=10,
        )
    skipped = {
        e: bad for e, bad in zip(passes["exponents"], passes["nonfinite_gradients"], strict=True) if bad
    }
    figure.marks(
        list(skipped),
        [100] * len(skipped),
        "said",
        text("bad_gradients"),
        hover="2^%{x}: %{customdata:,}",
        symbol="x",
        size=10,
        customdata=list(skipped.values()),
    )
    figure.line([view["shift"]] * 2, [0, 100], "peer", text("here"))
    figure.x_axis(text("axis.factor"))
    figure.y_axis(text("axis.share"), span=(-3, 105))
    return figure


def _rows(result: WindowResult, text: Words) -> list[Row]:
    """The dtype of each tensor of a training step by precision, its loss, and what a weight of 1 absorbs."""
    values: dict[str, dict[str, str] | Numbers] = {
        f"tensor.{tensor}": {name: result["dtypes"][name][tensor] for name in PRECISIONS}
        for tensor in ("logits", "loss", "grad_output", "parameter_grad")
    }
    values["loss"] = {name: f"{result['loss'][name]:.5f}".replace("nan", "NaN") for name in PRECISIONS}
    values["swallowed"] = {name: result["swallowed"][name] for name in PRECISIONS}
    return [
        {text("tensor"): text(key), **{name.upper(): value for name, value in row.items()}}
        for key, row in values.items()
    ]


def _notes(result: WindowResult, view: View, text: Words) -> list[str]:
    """What FP16 itself did at the nearest factor, what the scaler would do, and a spoilt forward pass."""
    passes, nearest = result["fp16"], view["nearest"]
    values = {kind: short_percent(100 * parts[nearest]) for kind, parts in view["measured"].items()}
    notes = [text("note.measured", exponent=raised(passes["exponents"][nearest]), **values)]
    bad = passes["nonfinite_gradients"][nearest]
    if math.isnan(result["loss"]["fp16"]):
        notes.append(text("note.forward", **result["loss"]))
    elif bad:
        notes.append(text("note.hidden" if passes["hooks_finite"][nearest] else "note.skips", count=bad))
    return notes
