"""A logistic regression with two optimizers, in NumPy: small enough to decide the algebra of accumulation.

No torch and no claims; those of Question 9 are in `claims.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from questions import load_question

QUESTION = load_question("q09_accumulation")
Array = NDArray[Any]
Window = list[tuple[Array, Array]]
FEATURES = 24


def given(name: str) -> Any:
    """One of the problem's own values."""
    return QUESTION.given[name]


def window(counts: list[int], dtype: type = np.float64) -> Window:
    """Micro-batches with that many terms each; the law differs between them, as texts do."""
    random = np.random.default_rng(0)
    found: Window = []
    for place, count in enumerate(counts):
        x = random.normal(0.1 * place, 1.0, (count, FEATURES))
        y = np.sign(x[:, 0] + random.normal(size=count))
        found.append((x.astype(dtype), y.astype(dtype)))
    return found


def equal_window(dtype: type = np.float64) -> Window:
    """The problem's micro-batches."""
    return window([given("micro")] * given("steps"), dtype)


def gradient_sum(weights: Array, x: Array, y: Array) -> Array:
    """Of the logistic loss, summed over the terms."""
    return np.asarray((-y / (1 + np.exp(y * (x @ weights)))) @ x)


def big_batch(weights: Array, batches: Window) -> Array:
    """The reference: the mean over all terms at once."""
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return gradient_sum(weights, x, y) / len(y)


def accumulated(weights: Array, batches: Window, *, divide: bool) -> Array:
    """Means of the micro-batches, added up as backward does, divided by their number or not."""
    total = np.zeros_like(weights)
    for x, y in batches:
        mean = gradient_sum(weights, x, y) / len(y)
        total = total + (mean / len(batches) if divide else mean)
    return total


def token_normalized(weights: Array, batches: Window) -> Array:
    """Sums divided once by the number of all terms of the window."""
    terms = sum(len(y) for _, y in batches)
    return np.asarray(sum(gradient_sum(weights, x, y) for x, y in batches) / terms)


def relative(one: Array, other: Array) -> float:
    """Distance over the size of the second."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def start(dtype: type = np.float64) -> Array:
    """Weights to begin with."""
    return np.random.default_rng(1).normal(0, 0.1, FEATURES).astype(dtype)


class SGD:
    """Plain."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def step(self, weights: Array, gradient: Array) -> Array:
        """The new weights."""
        return weights - self.rate * gradient


class AdamW:
    """With the usual settings; `decay` is decoupled (Loshchilov and Hutter 2019)."""

    def __init__(self, rate: float, decay: float = 0.0) -> None:
        self.rate, self.decay, self.time = rate, decay, 0
        self.first = self.second = np.zeros(FEATURES)

    def step(self, weights: Array, gradient: Array) -> Array:
        """The new weights."""
        self.time += 1
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.999 * self.second + 0.001 * gradient**2
        first, second = self.first / (1 - 0.9**self.time), self.second / (1 - 0.999**self.time)
        return weights * (1 - self.rate * self.decay) - self.rate * first / (np.sqrt(second) + 1e-8)


def update_ratio(optimizer: Callable[[float], Any], *, lower_rate: bool = False) -> float:
    """First update without the division over the first with it; or with rate / A for loss / A."""
    weights, batches = start(), equal_window()
    right = optimizer(0.01).step(weights, accumulated(weights, batches, divide=True)) - weights
    rate = 0.01 / given("steps") if lower_rate else 0.01
    wrong = optimizer(rate).step(weights, accumulated(weights, batches, divide=False)) - weights
    return float(np.linalg.norm(wrong) / np.linalg.norm(right))
