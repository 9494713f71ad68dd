"""What Question 10 draws while a run goes on, from the pieces that it has emitted. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labs.contract.columns import Result
from labs.q10_grad_scaler.params import DuelParams, OrdersParams

Partials = Sequence[Mapping[str, Any]]


def duel(params: DuelParams, partials: Partials) -> Result:
    """The curves as far as they have come."""
    return {
        "steps": params.steps,
        "scale": [piece["scale"] for piece in partials],
        "curves": {name: [piece["losses"][name] for piece in partials] for name in partials[0]["losses"]},
    }


def orders(_params: OrdersParams, partials: Partials) -> Result:
    """The orders that were tried so far."""
    return {"orders": {piece["order"]: piece for piece in partials}}
