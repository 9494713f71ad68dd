"""The spectrum of a head: which pairs turn fully within a length, and what treatments make of their speed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import numpy as np

from labs.contract import Context, Counts, Experiment, Figure, Numbers, Params, Shown, Words, table
from labs.contract.drawing import power_ticks
from labs.contract.fields import ParamError, choice, real, switch, whole
from labs.contract.fields import text as free_text
from labs.q07_rope import scaling
from labs.tools.written import small_number
from minimind_core.errors import ConfigError
from minimind_core.model.config import RopeScaling

SYMBOLS = {"pi": "circle", "ntk": "square", "yarn": "diamond", "custom": "triangle-up"}
LOW_BASE = "Base must be larger than 1, or the frequencies do not fall."
ODD = "Head dimension must be even: RoPE rotates pairs."


@dataclass(frozen=True)
class SpectrumParams(Params):
    """A head, a length, and what stretches its frequencies. `custom` is a dictionary as in a config.json."""

    length: int = choice(512, (128, 512, 2048, 8192, 32_768), unit="tokens", primary=True)
    factor: float = real(16, 1, 64, step=1, primary=True, low_sentence=scaling.LOW_FACTOR)
    original: int = whole(512, 64, 32_768, unit="tokens", primary=True)
    base: int = whole(1_000_000, 2, 10**8, low_sentence=LOW_BASE)
    head_dim: int = whole(64, 8, 128, step=2)
    beta_fast: float = real(32, 0.5, 128, step=0.5)
    beta_slow: float = real(1, 0.1, 64, step=0.1)
    temperature: bool = switch(True)
    custom: str = free_text(scaling.UPSTREAM, max_length=400)

    def check_together(self) -> None:
        """Refuse odd heads, crossed betas, and a dictionary that cannot be read."""
        if self.head_dim % 2:
            raise ParamError("together", "head_dim", ODD, key="q07.head_dim")
        try:
            scaling.read_scaling(self.custom, self.original, self.base)
        except ConfigError as error:
            raise ParamError("together", "custom", str(error), key=error.key, **error.values) from None
        if self.beta_fast <= self.beta_slow:
            crossed = "beta_fast must be larger than beta_slow."
            raise ParamError("together", "beta_fast", crossed, key="q07.betas")

    def treatments(self) -> dict[str, RopeScaling]:
        """The scalings by name; "custom" is missing where the dictionary asks for none."""
        common: dict[str, Any] = {"factor": self.factor, "original_length": self.original}
        yarn = RopeScaling(
            "yarn",
            **common,
            beta_fast=self.beta_fast,
            beta_slow=self.beta_slow,
            attention_factor=None if self.temperature else 1.0,
        )
        ours = {"pi": RopeScaling("pi", **common), "ntk": RopeScaling("ntk", **common), "yarn": yarn}
        custom = scaling.read_scaling(self.custom, self.original, self.base)
        return ours if custom is None else {**ours, "custom": custom}


class SpectrumResult(TypedDict):
    """By pair the wavelength in tokens and the multipliers of the treatments; `core` is known after a run."""

    length: int
    wavelength: list[float]
    full_turns: int
    multipliers: dict[str, list[float]]
    bands: dict[str, Counts]
    """Of the treatments that are YaRN: how many pairs are kept, joined by the ramp and divided."""
    temperature: dict[str, Numbers]
    """Of the same: the factor on cos and sin, and what it makes of logits."""
    target: Counts
    """Of the same: the tokens that they are meant for."""
    core: NotRequired[Numbers]
    """The largest relative difference of the core's own frequencies from the formula."""
    measured_wavelength: NotRequired[list[float]]


class Spectrum(Experiment[SpectrumParams, SpectrumResult]):
    """The core's own frequencies beside the formula, without and with each treatment."""

    version = 3
    drawn_by_formula = True
    takes = 0.1

    def formula(self, params: SpectrumParams) -> SpectrumResult:
        head, treatments = (params.head_dim, params.base), params.treatments()
        yarn = {name: treatment for name, treatment in treatments.items() if treatment.kind == "yarn"}
        waves = scaling.wavelengths(*head)
        return {
            "length": params.length,
            "wavelength": waves.tolist(),
            "full_turns": int((params.length >= waves).sum()),
            "multipliers": {
                name: scaling.multipliers(*head, treatment).tolist() for name, treatment in treatments.items()
            },
            "bands": {name: scaling.bands(*head, treatment) for name, treatment in yarn.items()},
            "temperature": {name: scaling.temperature(treatment) for name, treatment in yarn.items()},
            "target": {name: round(each.factor * each.original_length) for name, each in yarn.items()},
        }

    def measure(self, params: SpectrumParams, ctx: Context) -> SpectrumResult:
        from minimind_core.model.rope import scaled_inv_freq

        ctx.progress(0.0, "asking")
        formula = self.formula(params)
        plain = scaled_inv_freq(params.head_dim, params.base, None)[0].numpy()
        waves = 2 * math.pi / plain
        ratios = {"wavelength": waves / formula["wavelength"]}
        for name, treatment in params.treatments().items():
            stretched = scaled_inv_freq(params.head_dim, params.base, treatment)[0].numpy()
            ratios[name] = stretched / plain / formula["multipliers"][name]
        return {
            **formula,
            "full_turns": int((params.length >= waves).sum()),
            "core": {name: float(np.abs(ratio - 1).max()) for name, ratio in ratios.items()},
            "measured_wavelength": waves.tolist(),
        }

    def show(self, result: SpectrumResult, text: Words) -> Shown:
        waves, turned, measured = result["wavelength"], result["full_turns"], "core" in result
        notes = [
            text(key, **result["bands"][name], **result["temperature"][name], target=result["target"][name])
            for name, key in (("yarn", "note.bands"), ("custom", "note.custom"))
            if name in result["bands"]
        ]
        if measured:
            notes.append(text("note.core", apart=small_number(max(*result["core"].values(), 1e-16))))
        return Shown(
            {"wavelength": _wavelength_figure(result, text), "multipliers": _multiplier_figure(result, text)},
            rows=table(
                {
                    text("column.pair"): range(len(waves)),
                    text("axis.wavelength"): waves,
                    text("column.turns"): [result["length"] / wave for wave in waves],
                    **{text(f"scaling.{name}"): each for name, each in result["multipliers"].items()},
                }
            ),
            notes=notes,
            numbers={text("turned"): turned, text("unfinished"): len(waves) - turned},
            sentence={
                "said": len(waves),
                "formula": sum(wave <= result["length"] for wave in waves),
                "measured": turned,
                "unit": "",
            }
            if measured
            else None,
        )


def _wavelength_figure(result: SpectrumResult, text: Words) -> Figure:
    """The wavelength of each pair against the length: pairs with a full turn within it, and the others."""
    figure, waves, length, turned = Figure(), result["wavelength"], result["length"], result["full_turns"]
    hover = text("pair", pair="%{x}") + ": %{y:,.3g}"
    figure.bars(range(turned), waves[:turned], "formula", f"{text('turned')} ({turned})", hover=hover)
    unfinished = f"{text('unfinished')} ({len(waves) - turned})"
    figure.bars(range(turned, len(waves)), waves[turned:], "removed", unfinished, hover=hover)
    if "measured_wavelength" in result:
        measured = result["measured_wavelength"]
        figure.marks(range(len(waves)), measured, "measured", text("core"), size=6)
    figure.line([-0.6, len(waves) - 0.4], [length] * 2, "peer", showlegend=False, width=2)
    label = f"{length:,} {text('tokens_unit')}"
    figure.note(-0.5, math.log10(length), label, xanchor="left", yanchor="bottom", showarrow=False)
    figure.x_axis(text("axis.pair"), span=(-0.7, len(waves) - 0.3))
    figure.y_axis(text("axis.wavelength"), log=True, ticks=power_ticks(1, max(waves) * 10))
    return figure


def _multiplier_figure(result: SpectrumResult, text: Words) -> Figure:
    """What each treatment multiplies the frequency of each pair by."""
    figure, hover = Figure(), text("pair", pair="%{x}") + ": %{y:.3f}"
    for name, values in result["multipliers"].items():
        label = text(f"scaling.{name}")
        pairs = range(len(values))
        figure.line(pairs, values, "formula", label, symbol=SYMBOLS[name], size=8, hover=hover)
    figure.x_axis(text("axis.pair"))
    figure.y_axis(text("axis.multiplier"), span=(0, 1.06))
    return figure
