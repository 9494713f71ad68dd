"""What the view fields of Question 6 make of a result: a card's capacity, and the order of heads drawn."""

from __future__ import annotations

from labs.contract.columns import Result
from labs.q06_gqa import analytic
from labs.q06_gqa.params import CacheParams, WiringParams


def cache(params: CacheParams, result: Result) -> Result:
    """Sequences that fit on the chosen card, by KV heads."""
    return {"card_gb": params.card_gb, "capacity": analytic.cache(params)["capacity"]}


def wiring(params: WiringParams, result: Result) -> Result:
    """The chosen order, as it was measured and as it ought to be."""
    reads = result[params.order]
    return {"order": params.order, "reads": reads, "right": reads == result["formula"]["grouped"]}
