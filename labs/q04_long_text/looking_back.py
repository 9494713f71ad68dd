"""How far information travels through layers of local attention, followed back position by position."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def reached(layers: int, window: int, length: int, dilation: int = 1) -> NDArray[np.bool_]:
    """Which positions' information arrives at the last one, followed back layer by layer: bool [length]."""
    seen = np.zeros(length, dtype=bool)
    seen[-1] = True
    for _ in range(layers):
        earlier = [seen[back:] for back in range(0, window * dilation, dilation) if back < length]
        seen = np.any([np.pad(part, (0, length - len(part))) for part in earlier], axis=0)
    return seen


def arriving(layers: int, step: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much arrives from each distance if each layer gives `step[d]` to distance d."""
    shares = np.ones(1)
    for _ in range(layers):
        shares = np.convolve(shares, step)
    return shares
