"""Where the gradient of the logits vanishes in FP16: by formula, and as torch's own cross-entropy has it.

A mean over N tokens is the sum over the rows at hand times an exact 1/N: each row's gradient is the same
number, whether its neighbours are there or not. So a few rows show what N of them would.
"""

from __future__ import annotations

import bisect
import math
import statistics
from typing import TYPE_CHECKING, TypedDict

from labs.contract import Words
from labs.contract.drawing import Figure
from labs.q10_grad_scaler.formats import FORMATS
from minimind_core.model.config import ModelConfig

if TYPE_CHECKING:
    from torch import Tensor

VOCABULARY = ModelConfig().vocab_size
FRESH_DEVIATION = 0.02 * math.sqrt(ModelConfig().hidden_size)
"""Of the logits of an untrained tied model: N(0, 0.02) weights times a normed state of 512 numbers."""
ROWS, MOST_TOKENS = 8, 2**20


class Formula(TypedDict):
    """Shares of logit gradients that are zero, by tokens in the mean; `last_safe` loses none."""

    last_safe: int
    tokens: list[int]
    zero_logits: list[float]
    fresh: list[float]


class Measured(TypedDict):
    """The same from FP16 itself, with a model's own logits in place of normal ones."""

    last_safe: int
    tokens: list[int]
    zero_logits: list[float]
    own_logits: list[float]


def formula() -> Formula:
    """The cliff of zero logits, and the slope of a fresh model."""
    safe = last_safe_tokens()
    tokens = _tokens_around(safe)
    return {
        "last_safe": safe,
        "tokens": tokens,
        "zero_logits": [vanished(count) for count in tokens],
        "fresh": [vanished(count, FRESH_DEVIATION) for count in tokens],
    }


def measured(own_logits: Tensor, targets: Tensor) -> Measured:
    """The cliff of zero logits, and the slope of a model's own logits [R, V]."""
    device = own_logits.device.type
    safe = measured_last_safe_tokens(VOCABULARY, device)
    tokens, zeros = _tokens_around(safe), _zero_logits(VOCABULARY, device)
    return {
        "last_safe": safe,
        "tokens": tokens,
        "zero_logits": [zero_share(*zeros, count) for count in tokens],
        "own_logits": [zero_share(own_logits, targets, count) for count in tokens],
    }


def drawn(formula: Formula, measured: Measured, here: int, text: Words) -> Figure:
    """Both by tokens in the mean, and a line at `here` tokens."""
    figure, hover = Figure(), "N = %{x:,}: %{y:.2f} %"
    for name, shares, shape in (
        ("zero_logits", formula["zero_logits"], "hv"),
        ("fresh_logits", formula["fresh"], "linear"),
    ):
        label = f"{text(name)}, {text('formula')}"
        percents = [100 * share for share in shares]
        figure.line(formula["tokens"], percents, "formula", label, hover=hover, shape=shape)
    for name, shares, symbol in (
        ("zero_logits", measured["zero_logits"], "circle"),
        ("own_logits", measured["own_logits"], "square"),
    ):
        label = f"{text(name)}, {text('measured')}"
        percents = [100 * share for share in shares]
        figure.marks(measured["tokens"], percents, "measured", label, hover=hover, symbol=symbol, size=9)
    figure.line([here] * 2, [0, 100], "peer", text("here"))
    figure.x_axis(text("axis.tokens"), log=True)
    figure.y_axis(text("axis.zero"), span=(-3, 103))
    return figure


def last_safe_tokens(vocabulary: int = VOCABULARY) -> int:
    """The largest N at which 1 / (V * N), a non-target gradient of zero logits, is not zero in FP16.

    >>> last_safe_tokens(6400)
    5242
    """
    return math.ceil(2 ** -FORMATS["fp16"].zero / vocabulary) - 1


def vanished(tokens: int, deviation: float = 0.0) -> float:
    """Share of logit gradients that are zero in FP16: logits N(0, deviation), mean over `tokens`.

    >>> vanished(5242), round(vanished(5243), 4), round(vanished(5242, 0.4525), 3)
    (0.0, 0.9998, 0.589)
    """
    others = (VOCABULARY - 1) / VOCABULARY
    edge = 2.0 ** FORMATS["fp16"].zero * VOCABULARY * tokens  # in units of the mean probability
    if deviation == 0:
        return others if edge >= 1 else 0.0
    return others * statistics.NormalDist(0, deviation).cdf(math.log(edge) + deviation**2 / 2)


def zero_share(logits: Tensor, targets: Tensor, tokens: float) -> float:
    """Share of the gradient of FP16 logits [R, V] that is zero, for a loss averaged over `tokens` tokens."""
    import torch
    from torch.nn.functional import cross_entropy

    leaf = logits.detach().half().requires_grad_()
    with torch.autocast(logits.device.type, torch.float16):
        loss = cross_entropy(leaf, targets, reduction="sum") / tokens
    (gradient,) = torch.autograd.grad(loss, leaf)
    return float((gradient == 0).float().mean())


def measured_last_safe_tokens(vocabulary: int, device: str) -> int:
    """The largest N at which no gradient of zero logits is zero, found by halving."""
    zeros = _zero_logits(vocabulary, device)
    return bisect.bisect_left(range(1, MOST_TOKENS), True, key=lambda tokens: zero_share(*zeros, tokens) > 0)


def _tokens_around(edge: int) -> list[int]:
    return sorted({2**power for power in range(21)} | {edge, edge + 1})


def _zero_logits(vocabulary: int, device: str) -> tuple[Tensor, Tensor]:
    import torch

    return torch.zeros(ROWS, vocabulary, device=device), torch.zeros(ROWS, dtype=torch.int64, device=device)
