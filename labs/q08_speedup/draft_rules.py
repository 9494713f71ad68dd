"""Rules by which drafted tokens are kept, and what they yield. NumPy only.

The exact rule: Leviathan et al. 2023, Chen et al. 2023. Another samples the target afresh and keeps the draft
where both are equal; it looks as if nothing could be lost. Typical acceptance (Medusa, Cai et al. 2024) keeps
whatever the target thinks likely enough: it keeps more, and does not claim to be exact.

Shapes: k drafted tokens, V vocabulary ids.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CRITICAL = 24.32
"""Chi-square with 7 degrees of freedom, eight tokens: a true law exceeds it once in a thousand times."""


class Cost(TypedDict):
    """A draft's step in plain steps of the target, with quartiles, and what shares of the target it has."""

    median: float
    low: float
    high: float
    weights: float
    layers: float


def accept(target: Floats, draft: Floats, drafted: Sequence[int], random: np.random.Generator) -> list[int]:
    """The tokens that a round emits: drafted ones as far as they are kept, and one more.

    target [k + 1, V], draft [k, V] probabilities; drafted k ids drawn from `draft`. Distributed exactly as
    drawing from the target.
    """
    for place, token in enumerate(drafted):
        p, q = target[place], draft[place]
        if random.random() * q[token] >= p[token]:
            return [*drafted[:place], int(random.choice(len(p), p=excess(p, q)))]
    return [*drafted, int(random.choice(target.shape[1], p=target[-1]))]


def excess(p: Floats, q: Floats) -> Floats:
    """What p has beyond q, normalised: where a rejected token is drawn from again.

    >>> excess(np.array([0.5, 0.5]), np.array([0.2, 0.8]))
    array([1., 0.])
    """
    beyond = np.maximum(p - q, 0)
    return beyond / beyond.sum()


def tokens_per_round(acceptance: float, draft_length: int) -> float:
    """Expected tokens of a round whose drafts are each kept with that probability: 1 + a + ... + a^k.

    >>> round(tokens_per_round(0.7, 5), 2), tokens_per_round(1.0, 5)
    (2.94, 6.0)
    """
    return float(sum(acceptance**place for place in range(draft_length + 1)))


def speedup(acceptance: float, draft_length: int, draft_cost: float, verify_cost: float) -> float:
    """Over plain decoding; costs in plain steps, of one drafted token and of the verifying pass."""
    return tokens_per_round(acceptance, draft_length) / (draft_length * draft_cost + verify_cost)


def speedups(
    acceptance: float, draft_cost: float, verify_cost: float, verified: int, longest: int
) -> list[float]:
    """`speedup` for draft lengths from 1 on; a verifying pass costs as much more as it is longer.

    `verify_cost` is that of a pass over `verified` drafts.
    """
    more = (verify_cost - 1) / verified
    return [speedup(acceptance, k, draft_cost, 1 + more * k) for k in range(1, longest + 1)]


def speedup_of_lookup(
    acceptance: float, draft_length: int, found: float, lookup_cost: float, verify_cost: float
) -> float:
    """The same for drafts that are looked up: once a round, and in the share `found` of the rounds only.

    >>> speedup_of_lookup(0.5, 1, 0.0, 0.0, 9.0), speedup_of_lookup(1.0, 3, 1.0, 0.0, 2.0)
    (1.0, 2.0)
    """
    emitted = 1 - found + found * tokens_per_round(acceptance, draft_length)
    return emitted / (lookup_cost + 1 - found + found * verify_cost)


def exact_draws(p: Floats, q: Floats, count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """First tokens of so many rounds by the exact rule."""
    drafted = random.choice(len(q), count, p=q)
    kept = random.random(count) * q[drafted] < p[drafted]
    return np.where(kept, drafted, random.choice(len(p), count, p=excess(p, q)))


def equal_draws(p: Floats, q: Floats, count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """The same, where a draft is kept if a sample of the target equals it, and sampled anew if not."""
    drafted, sampled = random.choice(len(q), count, p=q), random.choice(len(p), count, p=p)
    return np.where(drafted == sampled, drafted, random.choice(len(p), count, p=p))


def typical_threshold(p: Floats, epsilon: float) -> float:
    """The probability above which a token is typical of p: epsilon, or less where p is spread out.

    >>> round(typical_threshold(np.full(100, 0.01), 0.09), 4), typical_threshold(np.array([1.0, 0.0]), 0.09)
    (0.003, 0.09)
    """
    some = p[p > 0]
    entropy = -(some * np.log(some)).sum()
    return float(min(epsilon, math.sqrt(epsilon) * np.exp(-entropy)))


def typical_draws(
    p: Floats, q: Floats, count: int, random: np.random.Generator, epsilon: float
) -> NDArray[np.int64]:
    """The same, where every typical draft is kept; in the place of another the target is sampled."""
    drafted, sampled = random.choice(len(q), count, p=q), random.choice(len(p), count, p=p)
    return np.where(p[drafted] > typical_threshold(p, epsilon), drafted, sampled)


RULES: Mapping[str, Callable[[Floats, Floats, int, np.random.Generator], NDArray[np.int64]]] = {
    "exact": exact_draws,
    "equal": equal_draws,
}


def chi_square(counts: NDArray[np.int64], p: Floats) -> float:
    """Pearson's statistic of counts [V] against p: how far they are from what p leads one to expect.

    >>> chi_square(np.array([60, 40]), np.array([0.5, 0.5]))
    4.0
    """
    expected = p * counts.sum()
    return float(((counts - expected) ** 2 / expected).sum())
