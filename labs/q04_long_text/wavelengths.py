"""How long each rotary pair takes for a full turn, against the trained length, and what two rules make of it.

A pair that never completes a turn in training meets angles in a longer text that it has never seen. By
formula alone; no torch.
"""

from __future__ import annotations

import math
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Words
from labs.contract.drawing import Figure, power_ticks
from minimind_core.model.config import RopeScaling

ROOM = 1.45
"""Of the axis beyond the last pair, for names of lines."""


class Pairs(TypedDict):
    """Tokens that each pair takes for a turn, plain and with YaRN, and how many pairs have which fate.

    `earlier` is what MiniMind called YaRN until December 2025, by a rule of its own; `spared` by how much it
    stretches a pair at most (1: not at all) that completes a turn within YaRN's original length.
    """

    plain: NDArray[np.float64]
    yarn: NDArray[np.float64]
    earlier: NDArray[np.float64]
    spared: float
    turned: int
    """Complete a turn within the trained length."""
    kept: int
    blended: int
    stretched: int


def pairs(head_dim: int, theta: float, trained: int, scaling: RopeScaling) -> Pairs:
    """All pairs of a head, by YaRN's own ramp over the turns within its original length."""
    index = np.arange(head_dim // 2)
    plain = 2 * math.pi * theta ** (2 * index / head_dim)

    def pair_with(turns: float) -> float:
        wavelength = scaling.original_length / turns
        return head_dim * math.log(wavelength / (2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(pair_with(scaling.beta_fast)), 0)
    high = min(math.ceil(pair_with(scaling.beta_slow)), head_dim - 1)
    earlier = plain * _earlier_rule(plain, scaling)
    divided = np.clip((index - low) / max(high - low, 1e-3), 0, 1)
    return {
        "plain": plain,
        "yarn": plain / (1 - divided + divided / scaling.factor),
        "earlier": earlier,
        "spared": float((earlier / plain)[plain <= scaling.original_length].max(initial=1.0)),
        "turned": int((plain <= trained).sum()),
        "kept": int((divided == 0).sum()),
        "blended": int(((divided > 0) & (divided < 1)).sum()),
        "stretched": int((divided == 1).sum()),
    }


def _earlier_rule(plain: NDArray[np.float64], scaling: RopeScaling) -> NDArray[np.float64]:
    """By how much MiniMind's first rule stretches each pair: hardly, or by the whole factor."""
    beta, factor = np.linspace(1, 4, len(plain)), scaling.factor
    slightly = beta * factor / (beta * factor - beta + 1)
    return np.where(plain <= scaling.original_length, slightly, factor)


def drawn(of: Pairs, trained: int, longest: int, text: Words) -> Figure:
    """Tokens for a full turn by pair, and the trained length and that of the longest chunk across them."""
    figure, places = Figure(height=300), list(range(len(of["plain"])))
    last = len(places) - 1
    ends = []
    for key, tokens, symbol in (
        ("stretch.none", of["plain"], "circle"),
        ("wavelengths.earlier", of["earlier"], "x"),
        ("stretch.yarn", of["yarn"], "diamond"),
    ):
        label = text(key)
        hover = f"{label}<br>%{{x}}: %{{y:,.4g}}"
        figure.line(places, tokens, "formula", label, symbol=symbol, size=7, hover=hover)
        ends.append(float(tokens[-1]))
    for key, length in (("trained", trained), ("wavelengths.longest", longest)):
        figure.line([0, last], [length] * 2, "peer", showlegend=False, hover=f"{length:,}")
        figure.note(last, math.log10(length), text(key), showarrow=False, xanchor="left", xshift=8)
    high = math.log10(2 * max(*ends, longest))
    figure.x_axis(text("axis.pair"), span=(-0.5, ROOM * last))
    figure.y_axis(text("axis.wavelength"), log=True, ticks=power_ticks(1, 10**high), span=(0.5, high))
    return figure
