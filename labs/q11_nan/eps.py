"""What eps in RMSNorm is for: it bounds the gradient's gain. A smaller one is no repair."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np

from labs.contract import Calculator, Params, Row, Shown, Words, choice, switch, whole
from labs.contract.drawing import Figure, power_ticks
from labs.contract.filling import raised
from labs.q11_nan.first_bad import number
from labs.q11_nan.formats import FORMATS, gain, rms_norm, stored, told
from questions.values import MINUS

POWERS = (-12, -2)
"""Exponents of eps that the plot goes through."""
INPUTS = (-6, 3)
POINTS = 91
NAMED = (1e-5, 1e-6, 1e-8)
"""Those of LLaMA-2, of Qwen, and of optimizers."""


@dataclass(frozen=True)
class EpsParams(Params):
    """Eps and the input as powers of ten; all of it is view."""

    eps_power: int = whole(-5, *POWERS, primary=True, view=True)
    input_power: int = whole(-2, *INPUTS, primary=True, view=True)
    number_format: str = choice("fp32", FORMATS, primary=True, view=True, label="format")
    no_eps: bool = switch(False, view=True)


class Eps(TypedDict):
    """At the eps as the format holds it. Texts where a number is not finite."""

    eps: float
    held: float
    number_format: str
    rms: float
    gain: float | str
    """At an input of zeros, where it is largest."""
    gain_here: float | str
    output: float | str
    zero_output: float | str
    gains: list[float | None]
    """By exponent of eps from -12 to -2, None for Inf."""
    inputs: list[float]
    outputs: list[float | None]


class EpsResult(TypedDict):
    """Nothing is measured."""

    model: None
    view: NotRequired[Eps]


class EpsOfTheNorm(Calculator[EpsParams, EpsResult]):
    """The gain of RMSNorm's gradient and its output, by eps."""

    def view(self, params: EpsParams, result: EpsResult) -> Eps:
        name, rms = params.number_format, 10.0**params.input_power
        eps = 0.0 if params.no_eps else 10.0**params.eps_power
        held = float(stored(eps, name))
        by_power = [gain(0.0, float(stored(10.0**power, name))) for power in powers()]
        inputs = np.geomspace(10.0 ** INPUTS[0], 10.0 ** INPUTS[1], POINTS).astype(np.float32)
        return {
            "eps": eps,
            "held": held,
            "number_format": name,
            "rms": rms,
            "gain": told(gain(0.0, held)),
            "gain_here": told(gain(rms, held)),
            "output": told(float(rms_norm(rms, eps, name))),
            "zero_output": told(float(rms_norm(0.0, eps, name))),
            "gains": [one if math.isfinite(one) else None for one in by_power],
            "inputs": inputs.tolist(),
            "outputs": [float(one) if np.isfinite(one) else None for one in rms_norm(inputs, eps, name)],
        }

    def show(self, result: EpsResult, text: Words) -> Shown:
        """`gain` by eps, with a line to drag; `output` by the input's RMS."""
        view = result["view"]
        rows = [row(name, eps, text) for eps in (*NAMED, 0.0) for name in FORMATS]
        numbers = {
            text(key): value
            for key, value in (("gain_at_zero", view["gain"]), ("output_here", view["output"]))
            if not isinstance(value, str)
        }
        return Shown(
            {"gain": _gain(view, text), "output": _output(view, text)}, rows, _notes(view, text), numbers
        )


def powers() -> range:
    """All exponents of eps."""
    return range(POWERS[0], POWERS[1] + 1)


def row(name: str, eps: float, text: Words) -> Row:
    """One eps in one format."""
    return {
        "ε": written(eps),
        text("format"): text(f"format.{name}"),
        text("gain_at_zero"): number(gain(0.0, float(stored(eps, name)))),
        text("output_of_zeros"): number(float(rms_norm(0.0, eps, name))),
        text("output_of_hundredth"): number(float(rms_norm(0.01, eps, name))),
    }


def written(eps: float) -> str:
    """A power of ten, or 0.

    >>> written(1e-5), written(0.0)
    ('10⁻⁵', '0')
    """
    return f"10{raised(round(math.log10(eps)))}" if eps else "0"


def _notes(view: Eps, text: Words) -> list[str]:
    name = text(f"format.{view['number_format']}")
    notes = [text("note.gain", eps=written(view["eps"]), gain=_said(view["gain"]), format=name)]
    if view["eps"] and not view["held"]:
        notes.append(text("note.vanished", eps=written(view["eps"]), format=name))
    key = "note.zeros_nan" if view["zero_output"] == "NaN" else "note.zeros"
    notes.append(text(key))
    values = {"rms": written(view["rms"]) if view["rms"] != 1 else "1", "output": _said(view["output"])}
    silent = view["output"] == 0
    key = "note.silent" if silent else "note.output"
    notes.append(text(key, **values, gain=_said(view["gain_here"]), format=name))
    return [*notes, text("eps.change")]


def _said(value: float | str) -> str:
    return value if isinstance(value, str) else number(value)


def _gain(view: Eps, text: Words) -> Figure:
    """The gain at an input of zeros, by exponent; a gap where the format has no such eps."""
    figure, name = Figure(), text("gain_at_zero")
    said = [
        f"ε = {written(10.0**power)}: {number(math.inf if one is None else one)}×"
        for power, one in zip(powers(), view["gains"], strict=True)
    ]
    figure.line(list(powers()), view["gains"], "formula", name, text=said, hover="%{text}", symbol="circle")
    if view["eps"]:
        at = round(math.log10(view["eps"]))
        label = f"k = {at} ".replace("-", MINUS)
        figure.line(
            [at, at],
            [1, 2e6],
            "peer",
            text=["", label],
            textposition="middle left",
            width=2,
            showlegend=False,
        )
        figure.drag("eps_power", "k = {value} ")
    figure.x_axis(
        text("axis.eps"),
        span=(POWERS[0] - 0.5, POWERS[1] + 0.5),
        ticks={power: f"10<sup>{power}</sup>".replace("-", MINUS) for power in powers() if power % 2 == 0},
    )
    figure.y_axis(text("axis.gain"), log=True, span=(0, 7), ticks=power_ticks(1, 1e7, 2))
    return figure


def _output(view: Eps, text: Words) -> Figure:
    figure, hover = Figure(height=300), "%{x:.3g} → %{y:.3g}"
    figure.line(view["inputs"], [1.0] * POINTS, "peer", text("normalized"), hover=hover)
    figure.line(view["inputs"], view["outputs"], "formula", text("output_of_norm"), hover=hover)
    if not isinstance(view["output"], str):
        figure.marks(
            [view["rms"]], [view["output"]], "formula", text("here"), hover=hover, symbol="circle", size=11
        )
    figure.x_axis(text("axis.input"), log=True, ticks=power_ticks(1e-6, 1e3, 3))
    figure.y_axis(text("axis.output"), span=(-0.05, 1.15))
    return figure
