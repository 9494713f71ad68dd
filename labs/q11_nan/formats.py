"""RMSNorm, clipping and an attention score as a number format computes them. NumPy alone.

Each step is computed in FP32 and stored in the format, as torch does it on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labs.tools.number_formats import to_bf16

FORMATS = ("fp32", "bf16", "fp16")
ORDERS = ("cast_after", "cast_before", "scaled_before")
"""Cast to FP32 after the product or before it; or the query divided by √d first."""
_STORED: dict[str, Callable[[Any], Any]] = {
    "fp32": np.float32,
    "bf16": to_bf16,
    "fp16": lambda x: np.float32(np.float16(x)),
}


def told(number: float | np.floating[Any]) -> float | str:
    """A number, or "NaN", "Inf", "-Inf"."""
    texts = {"nan": "NaN", "inf": "Inf", "-inf": "-Inf"}
    return float(number) if math.isfinite(number) else texts[str(float(number))]


def stored(x: Any, name: str) -> NDArray[np.float32]:
    """Numbers as the format of that name holds them, as FP32.

    >>> float(stored(1e-8, "fp16")), float(stored(70000.0, "fp16"))
    (0.0, inf)
    """
    with np.errstate(all="ignore"):
        return np.asarray(_STORED[name](np.float32(x)), np.float32)


def rms_norm(entry: Any, eps: float, name: str = "fp32") -> NDArray[np.float32]:
    """What RMSNorm without its weight makes of vectors whose entries are all alike: entry [*] -> [*].

    >>> round(float(rms_norm(0.01, 1e-5)), 3), float(rms_norm(0.0, 0.0))
    (0.953, nan)
    """
    with np.errstate(all="ignore"):
        x = stored(entry, name)
        mean = stored(x * x, name)
        inside = stored(mean + np.float32(eps), name)
        return stored(x * stored(1 / np.sqrt(inside), name), name)


def gain(rms: float, eps: float) -> float:
    """The largest factor that RMSNorm's gradient has at an input of that RMS; Inf at zero without eps.

    >>> round(gain(0.0, 1e-5)), round(gain(0.0, 1e-6))
    (316, 1000)
    """
    inside = rms * rms + eps
    return 1 / math.sqrt(inside) if inside else math.inf


def clip(gradient: Any, limit: float, name: str = "fp32") -> tuple[float, float, NDArray[np.float32]]:
    """What `clip_grad_norm_` does to a gradient [n]: its norm, the factor, and what is left [n]."""
    with np.errstate(all="ignore"):
        g = stored(gradient, name)
        norm = stored(np.sqrt(np.sum(g * g, dtype=np.float32)), name)
        factor = stored(np.float32(limit) / stored(norm + np.float32(1e-6), name), name)
        factor = np.minimum(factor, np.float32(1))  # a NaN stays one
        return float(norm), float(factor), stored(g * factor, name)


def masked_mean(losses: Any, marks: Any, way: str, denominator: str, name: str = "fp32") -> float:
    """The mean of the losses [n] that are marked with 1, as somebody writes it.

    >>> masked_mean([1, math.inf], [1, 0], "multiplied", "plain")
    nan
    >>> masked_mean([1, math.inf], [1, 0], "chosen", "plain"), masked_mean([1], [0], "chosen", "tiny", "fp16")
    (1.0, nan)
    """
    with np.errstate(all="ignore"):
        values, counts = stored(losses, name), stored(marks, name)
        kept = values * counts if way == "multiplied" else np.where(counts == 1, values, np.float32(0))
        total, count = stored(kept.sum(dtype=np.float32), name), stored(counts.sum(), name)
        if denominator == "tiny":
            count = stored(count + np.float32(1e-8), name)
        elif denominator == "clamped":
            count = np.maximum(count, np.float32(1))
        return float(stored(total / count, name))


def score(entry: float, head_dim: int, order: str, name: str = "fp16") -> tuple[float, float]:
    """A query and a key whose entries are all alike: the largest number stored on the way, and the score.

    >>> score(40, 64, "cast_after"), score(40, 64, "cast_before"), score(40, 64, "scaled_before")
    ((inf, inf), (102400.0, 12800.0), (12800.0, 12800.0))
    """
    one, root = float(stored(entry, name)), math.sqrt(head_dim)
    with np.errstate(all="ignore"):
        if order == "scaled_before":
            scaled = float(stored(one / root, name))
            result = float(stored(scaled * one * head_dim, name))
            return result, result
        product = one * one * head_dim  # as a matrix unit sums it, before it is stored
        kept = float(stored(product, "fp32" if order == "cast_before" else name))
        return kept, kept / root
