"""Where the gradient of the logits vanishes in FP16: by formula, and as torch's own cross-entropy has it.

A mean over N tokens is the sum over the rows at hand times an exact 1/N: each row's gradient is the same
number, whether its neighbours are there or not. So a few rows show what N of them would.
"""

from __future__ import annotations

import bisect
import math
import statistics
from typing import TYPE_CHECKING, NotRequired, TypedDict

from labs.contract import Data, Figure, Role, Words
from labs.tools.number_formats import FORMATS
from minimind_core.model.config import ModelConfig

if TYPE_CHECKING:
    from torch import Tensor

VOCABULARY = ModelConfig().vocab_size
FRESH_DEVIATION = 0.02 * math.sqrt(ModelConfig().hidden_size)
"""Of the logits of an untrained tied model: N(0, 0.02) weights times a normed state of 512 numbers."""
SAID_TOKENS = 2**24 // VOCABULARY
"""What follows if everything below the smallest subnormal, 2^-24, is taken to vanish."""
ROWS, MOST_TOKENS = 8, 2**20


class Cliff(TypedDict):
    """Shares of logit gradients that are zero, by tokens in the mean. `last_safe` is the edge of the cliff.

    Beside the cliff of zero logits the formula has the slope of a fresh model's normal ones, a measurement
    that of a model's own.
    """

    last_safe: int
    tokens: list[int]
    zero_logits: list[float]
    fresh: NotRequired[list[float]]
    own_logits: NotRequired[list[float]]


def formula() -> Cliff:
    """What the formula says."""
    tokens = _tokens_around(last_safe_tokens())
    return {
        "last_safe": last_safe_tokens(),
        "tokens": tokens,
        "zero_logits": [vanished(count) for count in tokens],
        "fresh": [vanished(count, FRESH_DEVIATION) for count in tokens],
    }


def measured(own_logits: Tensor, targets: Tensor) -> Cliff:
    """What FP16 does to zero logits and to a model's own ones [R, V]."""
    device = own_logits.device.type
    safe, zeros = measured_last_safe_tokens(VOCABULARY, device), _zero_logits(VOCABULARY, device)
    tokens = _tokens_around(safe)
    return {
        "last_safe": safe,
        "tokens": tokens,
        "zero_logits": [zero_share(*zeros, count) for count in tokens],
        "own_logits": [zero_share(own_logits, targets, count) for count in tokens],
    }


def drawn(formula: Data, measured: Data, here: int, text: Words) -> Figure:
    """Both by tokens in the mean, and a line at `here` tokens."""
    figure = Figure()
    for shares, logits, draw, look in (
        (formula, "zero_logits", figure.line, {"shape": "hv"}),
        (formula, "fresh", figure.line, {"shape": "linear"}),
        (measured, "zero_logits", figure.marks, {"symbol": "circle", "size": 9}),
        (measured, "own_logits", figure.marks, {"symbol": "square", "size": 9}),
    ):
        role: Role = "formula" if shares is formula else "measured"
        percents = [100 * share for share in shares[logits]]
        label = f"{text(f'cliff.{logits}')}, {text(role)}"
        draw(shares["tokens"], percents, role, label, hover="N = %{x:,}: %{y:.2f}%", **look)
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
