"""What the view fields of Question 7 make of a result, and a stored run where this device stops. No torch."""

from __future__ import annotations

from labs.claims.recordings import recorded
from labs.contract.columns import Result
from labs.q07_rope.params import InvarianceParams, LengthsParams


def invariance(params: InvarianceParams, result: Result) -> Result:
    """The chosen start in the chosen arithmetic: two scores of one pair of vectors, and their difference.

    "off" is that difference over the standard deviation of scores, "typical" its RMS over all pairs.
    """
    place = result["starts"].index(params.start)
    first = result["first"][params.arithmetic]
    moved = first["moved"][place]
    return {
        "start": params.start,
        "arithmetic": params.arithmetic,
        "place": place,
        "unmoved": first["unmoved"],
        "moved": moved,
        "off": abs(moved - first["unmoved"]) / result["spread"],
        "typical": float(result["error"][params.arithmetic][place]),
    }


def lengths(params: LengthsParams, result: Result) -> Result:
    """The recorded run of a GPU, where longer chunks were asked for than this device reads.

    "stored" has its perplexities, lengths, device and date; None where nothing is missing or nothing was
    recorded that is comparable.
    """
    if not result.get("capped") or result["model"] != LengthsParams().model:
        return {"stored": None}
    for record in recorded("q07/lengths"):
        longer = [length for length in record["result"]["lengths"] if length > result["lengths"][-1]]
        if longer:
            return {
                "stored": {
                    "perplexity": record["result"]["perplexity"],
                    "lengths": [length for length in longer if length <= params.reach],
                    "device": record["device_name"],
                    "date": record["date"][:10],
                }
            }
    return {"stored": None}
