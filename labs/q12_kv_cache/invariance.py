"""Why a cache is allowed, and where its bits differ: an edited token, and one text computed in five ways."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import DEFAULT_MODEL, Context, DeviceClass, Experiment, Params, Row, Shown, Words
from labs.contract.drawing import Figure, power_ticks
from labs.contract.fields import ParamError, whole

DTYPES = ("float64", "float32", "bfloat16")
FLOOR = 1e-17
"""Drawn in place of no difference at all."""


@dataclass(frozen=True)
class InvarianceParams(Params):
    """The token at `edited`, counted from 0, is changed; in a batch the text is one of `rows`."""

    length: int = whole(40, 4, 200, primary=True, unit="tokens")
    edited: int = whole(20, 0, 199, primary=True)
    rows: int = whole(8, 2, 32, label="batch")

    def check_together(self) -> None:
        """The edited token is one of the text."""
        if self.edited >= self.length:
            raise ParamError(
                "together",
                "edited",
                f"The text has the tokens 0 to {self.length - 1}; edit one of them.",
                key="q12.edited",
                last=self.length - 1,
            )


class Agreement(TypedDict):
    """A way against the text alone in one pass: logits of all its tokens, and what each would choose."""

    largest: float
    same_bits: float
    same_choice: float


class InvarianceResult(TypedDict):
    """`change` of the cached keys, the largest at each layer and token [L, T]; `agreement` by dtype and way.

    `by_part`: the difference of the last token's hidden numbers after each part of the model, one pass over
    the text against a cached step; `first_part` is the first that differs.
    """

    edited: int
    change: NDArray[np.float32]
    before: float
    after: float
    agreement: dict[str, dict[str, Agreement]]
    neighbours_same_bits: bool
    parts: list[str]
    by_part: list[float]
    first_part: str


class Invariance(Experiment[InvarianceParams, InvarianceResult]):
    """Cached keys before and after an edit; the same text alone, cached, in pieces, in a batch and padded."""

    def seconds(self, params: InvarianceParams, device: DeviceClass) -> float:
        return 2 + params.length * 0.08 + params.length * params.rows * 1e-3

    def measure(self, params: InvarianceParams, ctx: Context) -> InvarianceResult:
        """Three copies of the 26M, one of each dtype, compute the same text in the same ways."""
        import torch

        from labs.q12_kv_cache.runs import prompts
        from labs.q12_kv_cache.ways import agreement, by_part, cached_keys, same_among_others
        from labs.tools.models import before_each_layer, copied

        ctx.progress(0.0, "loading")
        loaded = ctx.model(DEFAULT_MODEL)
        rows = prompts(loaded.tokenizer, "both", params.rows, params.length, ctx.check_cancelled)
        rows = rows.to(ctx.device)
        with torch.inference_mode():
            ctx.progress(0.1, "editing")
            edited = rows[:1].clone()
            edited[0, params.edited] = (edited[0, params.edited] + 1) % loaded.model.config.vocab_size
            keys, others = (cached_keys(loaded.model, ids) for ids in (rows[:1], edited))  # [L, K, T, D]
            change = (keys - others).abs().amax((1, 3)).float().cpu().numpy()  # [L, T]
            found: dict[str, dict[str, Agreement]] = {}
            for index, dtype in enumerate(DTYPES):
                ctx.progress(0.2 + 0.25 * index, "computing", dtype=dtype)
                model = copied(loaded.model).to(getattr(torch, dtype)).eval()
                with before_each_layer(model, ctx.check_cancelled):
                    found[dtype] = {
                        name: {"largest": largest, "same_bits": same_bits, "same_choice": same_choice}
                        for name, largest, same_bits, same_choice in agreement(model, rows)
                    }
            ctx.progress(0.95, "comparing")
            parts = by_part(loaded.model, rows[:1])
            same = same_among_others(loaded.model, rows)
        return {
            "edited": params.edited,
            "change": change,
            "before": float(change[:, : params.edited].max(initial=0)),
            "after": float(change[:, params.edited + 1 :].max(initial=0)),
            "agreement": found,
            "neighbours_same_bits": same,
            "parts": list(parts),
            "by_part": list(parts.values()),
            "first_part": next((name for name, apart in parts.items() if apart), ""),
        }

    def show(self, result: InvarianceResult, text: Words) -> Shown:
        """`edit`: which keys change; `ways`: how far apart; `parts`: where in the model it begins."""
        rows: list[Row] = [
            {
                text("invariance.dtype"): dtype,
                text("invariance.way"): text(f"way.{way}"),
                text("axis.difference"): each["largest"],
                text("invariance.bits"): 100 * each["same_bits"],
                text("invariance.choice"): 100 * each["same_choice"],
            }
            for dtype, ways in result["agreement"].items()
            for way, each in ways.items()
        ]
        part = result["first_part"]
        notes = [
            text("invariance.edit", **{name: result[name] for name in ("edited", "before", "after")}),
            text("invariance.first", part=part) if part else text("invariance.nowhere"),
            text(
                "invariance.neighbours" if result["neighbours_same_bits"] else "invariance.neighbours_differ"
            ),
        ]
        figures = {"edit": _edit(result, text), "ways": _ways(result, text), "parts": _parts(result, text)}
        cached = result["agreement"]["float32"]["cached"]["largest"]
        return Shown(figures, rows, notes, {f"{text('way.cached')} ({text('axis.difference')})": cached})


def _edit(result: InvarianceResult, text: Words) -> Figure:
    """Nothing is drawn where nothing changed."""
    change = result["change"]
    with np.errstate(divide="ignore"):
        shades = np.log10(change)
    cells = [[value if math.isfinite(value) else None for value in layer] for layer in shades.tolist()]
    figure = Figure(height=320)
    figure.heat(
        cells,
        list(range(change.shape[1])),
        list(range(1, change.shape[0] + 1)),
        "measured",
        hover="%{x}, %{y}: 10^%{z:.1f}",
        showscale=False,
        zmin=-2.5,
        zmax=0.7,
    )
    figure.x_axis(text("axis.token"), span=(-0.5, change.shape[1] - 0.5))
    figure.y_axis(text("axis.layer"), reverse=True)
    return figure


def _ways(result: InvarianceResult, text: Words) -> Figure:
    figure = Figure()
    symbols = {"float64": "circle", "float32": "square", "bfloat16": "diamond"}
    largest = FLOOR
    for dtype, ways in result["agreement"].items():
        values = [max(each["largest"], FLOOR) for each in ways.values()]
        largest = max(largest, *values)
        figure.marks(
            values,
            [text(f"way.{way}") for way in ways],
            "measured",
            dtype,
            symbol=symbols[dtype],
            size=12,
            hover="%{y}: %{x:.2g}",
        )
    span = (math.log10(FLOOR) - 0.5, math.log10(largest) + 0.7)
    ticks = {FLOOR: "0", **power_ticks(1e-15, 10 * largest, 3)}
    figure.x_axis(text("axis.difference"), log=True, ticks=ticks, span=span)
    figure.y_axis(reverse=True)
    return figure


def _parts(result: InvarianceResult, text: Words) -> Figure:
    figure, apart = Figure(), [max(value, 1e-9) for value in result["by_part"]]
    figure.line(
        list(range(1, len(apart) + 1)),
        apart,
        "measured",
        symbol="circle",
        size=5,
        customdata=result["parts"],
        hover="%{customdata}: %{y:.2g}",
    )
    high = max(apart)
    figure.x_axis(text("axis.part"))
    ticks = {1e-9: "0", **power_ticks(1e-8, 10 * high)}
    figure.y_axis(text("axis.difference"), log=True, ticks=ticks, span=(-9.3, math.log10(high) + 0.5))
    return figure
