"""Micro-batches dealt out to ranks, and what each one's summed gradient is multiplied by. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DENOMINATORS = ("micro_batch", "rank", "all")
"""What a sum of losses is divided by: the tokens of its micro-batch, of its rank, or of all ranks."""
DEALS = ("turn", "blocks", "sorted")
"""One after the other, in blocks, or in blocks of the longest first."""


def dealt(counts: Sequence[int], ranks: int, deal: str) -> list[int]:
    """The rank of each micro-batch.

    >>> dealt([5, 1, 9, 2], 2, "turn"), dealt([5, 1, 9, 2], 2, "blocks"), dealt([5, 1, 9, 2], 2, "sorted")
    ([0, 1, 0, 1], [0, 0, 1, 1], [0, 1, 0, 1])
    """
    if deal == "turn":
        return [place % ranks for place in range(len(counts))]
    order = sorted(range(len(counts)), key=lambda place: -counts[place] if deal == "sorted" else place)
    found = [0] * len(counts)
    for position, place in enumerate(order):
        found[place] = position * ranks // len(counts)
    return found


def factors(counts: Sequence[int], owners: Sequence[int], denominator: str) -> NDArray[np.float64]:
    """What the gradient of each micro-batch's summed loss is multiplied by, once the ranks are averaged [A].

    Over micro-batches a rank takes the mean of its means. With "all" each rank multiplies by the number of
    ranks, which the average then takes back: 1 over all tokens, whoever has them.
    """
    tokens, ranks = np.asarray(counts, np.float64), np.asarray(owners)
    if denominator == "all":
        return np.full(len(tokens), 1 / tokens.sum())
    world = ranks.max() + 1
    if denominator == "rank":
        own = np.array([tokens[ranks == rank].sum() for rank in ranks])
        return 1 / own / world
    each = np.array([(ranks == rank).sum() for rank in ranks])
    return 1 / tokens / each / world
