"""What a generation costs without and with the cache, step by step: token passes, operations, bytes.

A step chooses one new token. Without the cache it runs the whole text again; with it the first step (prefill)
runs the prompt and every later one runs one token. Rows of a batch are all alike. The bytes are those that a
step cannot do without: all weights once, and the keys and values that it writes and reads; other activations
are left out. Measures nothing, imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import (
    attention_flops_per_pair,
    kv_cache_bytes,
    matmul_parameters,
    num_parameters,
    parameter_counts,
)

Way = Literal["without", "with"]
Currency = Literal["token_passes", "operations", "bytes"]
CURRENCIES: tuple[Currency, ...] = ("token_passes", "operations", "bytes")
Counts: TypeAlias = NDArray[np.float64]
C = TypeVar("C", Counts, np.float64)

KV_HEADS = (1, 2, 4, 8)
"""Of the model that races; all else is as shipped."""
SHIPPED_HEADS = ModelConfig().num_kv_heads
WIDTHS = {"fp32": 4, "bf16": 2, "fp16": 2}
"""Bytes of one number."""


@dataclass(frozen=True)
class Generation:
    """`prompt` tokens read and `new` ones chosen, in each of `batch` rows."""

    prompt: int
    new: int
    batch: int = 1
    weight_width: int = 4
    cache_width: int = 4
    kv_heads: int = SHIPPED_HEADS

    @property
    def config(self) -> ModelConfig:
        """The model that is run: the 26M, with so many KV heads."""
        return ModelConfig(num_kv_heads=self.kv_heads)

    def steps(self, way: Way) -> tuple[Counts, Counts]:
        """Tokens of a row that each step runs, and those that stand before them, [new] each."""
        text = self.prompt + np.arange(self.new, dtype=np.float64)
        run = text.copy()
        if way == "with":
            run[1:] = 1
        return run, text - run

    def costs(self, way: Way) -> dict[Currency, Counts]:
        """What each step takes of every currency, [new] each.

        >>> [int(Generation(512, 100).costs(way)["token_passes"].sum()) for way in ("without", "with")]
        [56150, 611]
        """
        run, before = self.steps(way)
        return {
            "token_passes": self.batch * run,
            "operations": self.batch * step_operations(self.config, run, _causal_pairs(run, before)),
            "bytes": self._step_bytes(run, before, self.cache_width if way == "with" else self.weight_width),
        }

    def ratios(self) -> dict[Currency, Counts]:
        """Cost without the cache over cost with it, of the first 1, 2, … `new` tokens."""
        plain, cached = self.costs("without"), self.costs("with")
        return {name: plain[name].cumsum() / cached[name].cumsum() for name in CURRENCIES}

    def spared(self) -> dict[str, float]:
        """Operations that only the run without cache does, by the part of the layers that does them.

        They are those of old tokens, which it runs again; the head runs as often either way.

        >>> work = Generation(512, 100).spared()
        >>> f"{work['kv'] / sum(work.values()):.3f}", f"{work['feed_forward'] / sum(work.values()):.3f}"
        ('0.042', '0.696')
        """
        (plain, plain_before), (cached, cached_before) = self.steps("without"), self.steps("with")
        again = 2 * self.batch * float((plain - cached).sum())
        pairs = _causal_pairs(plain, plain_before) - _causal_pairs(cached, cached_before)
        work = {part: again * weights for part, weights in layer_weights(self.config).items()}
        attention = self.batch * attention_flops_per_pair(self.config) * float(pairs.sum())
        return {**work, "attention": attention}

    def cached_tokens(self) -> int:
        """Tokens of a row in the cache at the end: the last one is chosen and never run.

        >>> Generation(512, 100).cached_tokens()
        611
        """
        return self.prompt + self.new - 1

    def cache_bytes(self) -> int:
        """Bytes of keys and values at the end.

        >>> Generation(512, 100, cache_width=2).cache_bytes()
        2502656
        """
        return kv_cache_bytes(self.config, self.batch, self.cached_tokens(), self.cache_width)

    def _step_bytes(self, run: Counts, before: Counts, width: int) -> Counts:
        """The new keys and values are written, then those of the whole text are read."""
        token = kv_cache_bytes(self.config, self.batch, 1, width)
        return num_parameters(self.config) * self.weight_width + token * (run + (before + run))


def _causal_pairs(run: Counts, before: Counts) -> Counts:
    """Query-key pairs of forwards over `run` tokens after `before`, each query with itself and the past."""
    return run * before + run * (run + 1) / 2


def layer_weights(config: ModelConfig) -> dict[str, int]:
    """Weights of the layers' matrices by what they make.

    >>> layer_weights(ModelConfig())["kv"], sum(layer_weights(ModelConfig()).values())
    (1048576, 22544384)
    """
    query = config.num_layers * config.hidden_size * config.num_heads * config.head_dim
    counts = parameter_counts(config)
    return {
        "kv": counts["attention"] - 2 * query,
        "query": query,
        "output": query,
        "feed_forward": counts["feed_forward"],
    }


def step_operations(config: ModelConfig, run: C, pairs: C) -> C:
    """Of one row that runs so many tokens with so many query-key pairs, the head on the last token only."""
    weights = matmul_parameters(config)
    return 2 * (run * weights["layers"] + weights["head"]) + attention_flops_per_pair(config) * pairs


def crossover_tokens(config: ModelConfig) -> int:
    """Cached tokens at which attention does as many operations in a step as all matrices.

    >>> crossover_tokens(ModelConfig())
    3152
    """
    return 2 * sum(matmul_parameters(config).values()) // attention_flops_per_pair(config)


def sampled_steps(prompt: int, new: int, batch: int, most_token_passes: int) -> list[int]:
    """The steps of the run without cache that are really run: all, or as many as so many passes allow.

    They lie evenly from the first to the last step; never fewer than five, as far as there are so many.

    >>> sampled_steps(64, 50, 1, 10_000) == list(range(50)), sampled_steps(512, 100, 1, 4000)
    (True, [0, 16, 33, 50, 66, 82, 99])
    """
    if batch * (prompt * new + new * (new - 1) // 2) <= most_token_passes:
        return list(range(new))
    affordable = most_token_passes // (batch * (prompt + new // 2))
    count = min(new, max(5, affordable))
    return sorted({round(float(step)) for step in np.linspace(0, new - 1, count)})


def exponent(lengths: Sequence[int], seconds: Sequence[float]) -> tuple[float, float] | None:
    """The power of the length that a time grows with, by least squares on logarithms, and its standard error.

    None for fewer than three lengths, of which nothing can be said.

    >>> [f"{number:.2f}" for number in exponent([100, 200, 400], [1.0, 2.0, 4.0])]
    ['1.00', '0.00']
    """
    if len(lengths) < 3:
        return None
    x, y = np.log(lengths) - np.log(lengths).mean(), np.log(seconds) - np.log(seconds).mean()
    slope = float(x @ y / (x @ x))
    return slope, float(np.sqrt(((y - slope * x) ** 2).sum() / (len(x) - 2) / (x @ x)))


def filled(steps: list[int], values: list[float], new: int) -> Counts:
    """A number for each of `new` steps: those of `steps`, and between them a straight line.

    >>> filled([0, 2], [1.0, 5.0], 3).tolist()
    [1.0, 3.0, 5.0]
    """
    return np.interp(np.arange(new), steps, values)
