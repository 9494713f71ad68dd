"""A gradient of one's own under `clip_grad_norm_`: what it shortens, and what it cannot repair."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np

from labs.contract import Calculator, Params, Row, Shown, Words, choice, real, text
from labs.contract.drawing import Figure, Role, power_ticks
from labs.q11_nan.first_bad import number
from labs.q11_nan.formats import FORMATS, clip, stored, told
from labs.q11_nan.typed_numbers import read_numbers

EXAMPLES = ("3, 4", "inf, 4", "nan, 4", "3e38, 3e38")
LOWEST, HIGHEST = 1e-3, 1e39
"""Between these sizes are bars drawn."""


@dataclass(frozen=True)
class ClippingParams(Params):
    """Entries of a gradient, the limit of its norm, and the format that both are in; all of it is view."""

    gradient: str = text("inf, 4", max_length=200, primary=True, view=True)
    limit: float = real(1.0, 0.1, 10, step=0.1, primary=True, view=True)
    number_format: str = choice("fp32", FORMATS, primary=True, view=True, label="format")

    def check_together(self) -> None:
        """Raise ParamError for entries that are no numbers."""
        read_numbers(self.gradient, "gradient")


class Clipped(TypedDict):
    """One gradient before and after; numbers that are not finite are texts."""

    before: list[float | str]
    after: list[float | str]
    norm: float | str
    factor: float | str
    outcome: str
    """ "as_it_was", "shorter", "nan" or "lost"."""


class View(Clipped):
    """The gradient that was typed, and the examples."""

    limit: float
    number_format: str
    examples: list[Clipped]


class ClippingResult(TypedDict):
    """Nothing is measured."""

    model: None
    view: NotRequired[View]


class Clipping(Calculator[ClippingParams, ClippingResult]):
    """What clipping makes of a gradient."""

    def view(self, params: ClippingParams, result: ClippingResult) -> View:
        limit, name = params.limit, params.number_format
        return {
            **clipped(read_numbers(params.gradient, "gradient"), limit, name),
            "limit": limit,
            "number_format": name,
            "examples": [clipped(read_numbers(example, "gradient"), limit, name) for example in EXAMPLES],
        }

    def show(self, result: ClippingResult, text: Words) -> Shown:
        """`entries`: each before and after."""
        view = result["view"]
        notes = [text(f"note.clip_{view['outcome']}", norm=_said(view["norm"]), factor=_said(view["factor"]))]
        if view["norm"] in ("NaN", "Inf"):
            notes.append(text("note.error_if_nonfinite"))
        return Shown(
            {"entries": _drawn(view, text)},
            [_row(one, text) for one in (view, *view["examples"])],
            [*notes, text("clipping.change")],
            {} if isinstance(view["norm"], str) else {text("norm"): view["norm"]},
        )


def clipped(gradient: list[float], limit: float, name: str) -> Clipped:
    """A gradient and what clipping leaves of it.

    >>> clipped([3e38, 3e38], 1.0, "fp32")["outcome"]
    'lost'
    """
    before = stored(gradient, name)
    norm, factor, after = clip(gradient, limit, name)
    if np.isnan(after).any():
        outcome = "nan"
    elif before.any() and not after.any():
        outcome = "lost"
    else:
        outcome = "as_it_was" if factor == 1 else "shorter"
    return {
        "before": [told(one) for one in before],
        "after": [told(one) for one in after],
        "norm": told(norm),
        "factor": told(factor),
        "outcome": outcome,
    }


def _said(value: float | str) -> str:
    return value if isinstance(value, str) else number(value)


def _listed(values: list[float | str]) -> str:
    return "(" + "; ".join(map(_said, values)) + ")"


def _row(one: Clipped, text: Words) -> Row:
    return {
        text("before"): _listed(one["before"]),
        text("norm"): _said(one["norm"]),
        text("factor"): _said(one["factor"]),
        text("after"): _listed(one["after"]),
        text("outcome"): text(f"outcome.{one['outcome']}"),
    }


def _drawn(view: View, text: Words) -> Figure:
    """Sizes of the entries; what has no size on such an axis is a word."""
    figure = Figure(height=320, barmode="group")
    names = [str(place) for place in range(1, len(view["before"]) + 1)]
    lost = [isinstance(value, str) for value in view["after"]]
    bars: list[tuple[Role, str, list[float | str], list[bool]]] = [
        ("peer", "before", view["before"], [True] * len(lost)),
        ("formula", "after", view["after"], [not one for one in lost]),
        ("removed", "not_finite_after", view["after"], lost),
    ]
    for role, key, values, drawn in bars:
        sizes = [_size(value) if shown else None for value, shown in zip(values, drawn, strict=True)]
        if any(drawn):
            figure.bars(
                names,
                sizes,
                role,
                text(key),
                labels=[_said(value) if shown else "" for value, shown in zip(values, drawn, strict=True)],
                hover="%{x}: %{text}",
                offsetgroup="before" if key == "before" else "after",
            )
    figure.x_axis(text("axis.entry"), category=True)
    span = (math.log10(LOWEST), math.log10(HIGHEST) + 3)
    figure.y_axis(text("axis.size"), log=True, span=span, ticks=power_ticks(LOWEST, HIGHEST, 6))
    return figure


def _size(value: float | str) -> float:
    """The height of a bar: nothing for zero, all of it for what is not finite."""
    return HIGHEST if isinstance(value, str) else max(abs(value), LOWEST)
