"""What a run of Question 7 has so far, in the shape of its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labs.contract.columns import Result
from labs.q07_rope.params import LengthsParams, SeedsParams, ShiftParams
from labs.tools.seeds.telling import so_far


def lengths(params: LengthsParams, partials: Sequence[Mapping[str, Any]]) -> Result:
    """Perplexities by line and length, as far as they were read."""
    found: dict[str, dict[str, float]] = {}
    for piece in partials:
        found.setdefault(piece["row"], {})[str(piece["length"])] = piece["perplexity"]
    return {
        "perplexity": found,
        "trained": partials[0]["trained"],
        "base": partials[0]["row"],
        "lengths": sorted({piece["length"] for piece in partials}),
    }


def shift(params: ShiftParams, partials: Sequence[Mapping[str, Any]]) -> Result:
    """Changes and perplexities by type of angle and offset, as far as they were measured."""
    found: dict[str, dict[str, dict[str, float]]] = {"difference": {}, "perplexity": {}}
    for piece in partials:
        for what, by_type in found.items():
            by_type.setdefault(piece["angles"], {})[str(piece["offset"])] = piece[what]
    return found


def seeds(params: SeedsParams, partials: Sequence[Mapping[str, Any]]) -> Result:
    """Losses and growth of the models that are finished, by kind."""
    return {
        "loss": so_far(partials, "loss"),
        "growth": so_far(partials, "growth"),
        "seeds": params.seeds,
        "lengths": [int(length) for length in partials[0]["growth"]],
    }
