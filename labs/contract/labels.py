"""Texts beside an axis, moved apart so that each can be read."""

from __future__ import annotations

from collections.abc import Sequence

LABEL_GAP = 0.075
"""Share of an axis that a line of text takes."""


def spread_labels(positions: Sequence[float], gap: float) -> list[float]:
    """The positions, each moved as little as a left-to-right sweep needs for `gap` between neighbours.

    >>> spread_labels([0.0, 0.1, 5.0], 1.0)
    [-0.45, 0.55, 5.0]
    """
    groups: list[list[int]] = []
    centres: list[float] = []
    for index in sorted(range(len(positions)), key=positions.__getitem__):
        groups.append([index])
        centres.append(positions[index])
        while len(groups) > 1 and centres[-1] - centres[-2] < gap * (len(groups[-1]) + len(groups[-2])) / 2:
            merged = groups[-2] + groups[-1]
            centres[-2:] = [sum(positions[member] for member in merged) / len(merged)]
            groups[-2:] = [merged]
    moved = list(positions)
    for group, centre in zip(groups, centres, strict=True):
        for rank, index in enumerate(group):
            moved[index] = centre + gap * (rank - (len(group) - 1) / 2)
    return moved
