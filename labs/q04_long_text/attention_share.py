"""How much of all operations is attention, by the length of the text: a half only from thousands of tokens.

By formula for the 26M's shape, causal pairs alone, with the head at every position; no torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from labs.contract import Words
from labs.contract.drawing import Figure
from labs.q04_long_text.options import causal_pairs
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import attention_flops_per_pair, matmul_parameters

LENGTHS = tuple(2**power for power in range(6, 16))
_SYMBOLS = {"full": "circle", "local": "star", "disjoint": "square-open"}
"""The ways to read that are drawn, with the symbols of their readings."""
_ROOM = 0.4
"""Of the axis beyond the longest text, for the names of the lines."""


def shares(window: int, local: int) -> dict[str, list[float]]:
    """Attention's share at each of LENGTHS: of one pass, of window attention, and of windows side by side."""
    pairs = {
        "full": [causal_pairs(length) for length in LENGTHS],
        "local": [causal_pairs(length, local) for length in LENGTHS],
        "disjoint": [
            length // window * causal_pairs(window) + causal_pairs(length % window) for length in LENGTHS
        ],
    }
    return {
        way: [_share(length, count) for length, count in zip(LENGTHS, counts, strict=True)]
        for way, counts in pairs.items()
    }


def half() -> int:
    """Tokens of one causal pass at which attention is half of the work.

    >>> half()
    6303
    """
    config = ModelConfig()
    matrices = 2 * sum(matmul_parameters(config).values())
    return round(2 * matrices / attention_flops_per_pair(config)) - 1


def drawn(by_way: Mapping[str, Sequence[float]], length: int, text: Words) -> Figure:
    """The shares over the length; the text that was asked for is a line across them."""
    figure, ends = Figure(height=320), []
    first, last = math.log10(LENGTHS[0]), math.log10(LENGTHS[-1])
    for way, symbol in _SYMBOLS.items():
        name = text(f"option.{way}")
        hover = f"{name}<br>%{{x:,}}: %{{y:.1%}}"
        figure.line(
            LENGTHS, by_way[way], "formula", name, symbol=symbol, size=7, hover=hover, showlegend=False
        )
        ends.append((last, by_way[way][-1], name))
    figure.line([LENGTHS[0], LENGTHS[-1]], [0.5, 0.5], "peer", text("methods.half", length=half()))
    figure.line([length, length], [0, 1], "peer", text("methods.asked", length=length))
    figure.name_ends(ends, 0, 1, log=False)
    ticks = {length: f"{length:,}" for length in LENGTHS[::3]}
    figure.x_axis(
        text("axis.tokens"), log=True, ticks=ticks, span=(first - 0.1, last + _ROOM * (last - first))
    )
    figure.y_axis(text("axis.attention_share"), tickformat=".0%", span=(0, 1))
    return figure


def _share(length: int, pairs: int) -> float:
    config = ModelConfig()
    attention = attention_flops_per_pair(config) * pairs
    return attention / (attention + 2 * length * sum(matmul_parameters(config).values()))
