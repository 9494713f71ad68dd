"""What the view fields of Question 10 make of a result: where a histogram lies after a move. No torch."""

from __future__ import annotations

import numpy as np

from labs.contract.columns import Result
from labs.q10_grad_scaler.formats import FORMATS, KINDS, shares, summed
from labs.q10_grad_scaler.params import WindowParams

LOGITS = "logits"


def window(params: WindowParams, result: Result) -> Result:
    """The chosen place's histogram moved by 2^k / N, its shares in the chosen format, and all layers'.

    "nearest" is the measured FP16 pass closest to the chosen factor, "exact" whether it is the same.
    """
    shift = params.scale_exponent - params.tokens_exponent
    groups = list(dict.fromkeys(place["group"] for place in result["places"].values()))
    where = params.where if params.where in ("all", *groups) else groups[-1]
    histogram, zeros = summed(result["places"], where)
    measured = result["fp16"]["exponents"]
    nearest = min(range(len(measured)), key=lambda place: abs(measured[place] - shift))
    order = [*(group for group in groups if group != LOGITS), LOGITS]
    return {
        "shift": shift,
        "where": where,
        "precision": params.precision,
        "window": vars(FORMATS[params.precision]),
        "scale": 2**params.scale_exponent,
        "tokens": 2**params.tokens_exponent,
        "histogram": (histogram / max(histogram.sum() + zeros, 1)).astype(np.float32),
        "shares": shares(histogram, zeros, shift, params.precision),
        "curve": {str(e): shares(histogram, zeros, e, params.precision) for e in range(-20, 25)},
        "layers": {
            group: shares(*summed(result["places"], group), shift, params.precision) for group in order
        },
        "exponents": measured,
        "measured": _measured(result, where),
        "nearest": measured[nearest],
        "nearest_place": nearest,
        "bad_gradients": list(result["fp16"]["nonfinite_gradients"]),
        "exact": measured[nearest] == shift,
        "nonfinite_gradients": result["fp16"]["nonfinite_gradients"][nearest],
    }


def _measured(result: Result, where: str) -> dict[str, list[float]]:
    """Shares of each kind that FP16 passes had there, by exponent."""
    counted = np.asarray(result["fp16"]["counts"][where], float)  # [exponents, kinds]
    part = counted / counted.sum(1, keepdims=True)
    return {kind: part[:, place].tolist() for place, kind in enumerate(KINDS)}
