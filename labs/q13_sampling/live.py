"""What a run of Question 13 has so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labs.contract.columns import Result
from labs.q13_sampling.grids import together
from labs.q13_sampling.params import GridParams


def grid(_params: GridParams, partials: Sequence[Mapping[str, Any]]) -> Result:
    """The cells that are complete."""
    return together(partials)
