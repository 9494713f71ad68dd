"""What the sampler's settings make of logits, measured or typed: NumPy only, so a slider answers at once.

Both views have the same keys, so that the same bars draw them. `probabilities` float32 [N] are what is
drawn from; `before` float32 [N] is the same before anything was cut off; `alone` float32 [N] is without
any setting; `kept` int32 [N] is 1 or 0. Counts, masses and entropies speak of all tokens.

Shapes: V tokens in all, N candidates shown, in the order of the settings' own probabilities.
"""

from __future__ import annotations

import sys
from typing import Any, cast

import numpy as np

from labs.contract import Result
from labs.q13_sampling.analytic import (
    BoundaryRule,
    Floats,
    Mask,
    entropy,
    filter_chain,
    keep_top_p,
    penalize,
    softmax,
)
from labs.q13_sampling.params import ManualParams, NextTokenParams

_ROUNDING = 1e-12
"""Typed numbers meet p by design: a cumulative mass this near below p has reached it."""
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def next_token(params: NextTokenParams, result: Result) -> Result:
    """The distribution of the measured logits after the settings, and how it came about."""
    logits = result["logits"].astype(np.float64)  # [V]
    seen = np.zeros(len(logits), dtype=bool)
    seen[result["prompt_ids"]] = True
    scores = penalize(logits, seen, params.repetition_penalty)
    filtered = filter_chain(scores, params.temperature, params.top_k, params.top_p, params.min_p)
    before = filter_chain(scores, params.temperature).probabilities
    ids = result["candidate_ids"]
    order = np.lexsort((ids, -scores[ids]))
    texts = [result["candidate_texts"][index] for index in order]
    return {**_told(ids[order], before, filtered.probabilities, filtered.kept, softmax(logits)),
            "texts": texts, "top_p": params.top_p}


def manual(params: ManualParams, _result: Result) -> Result:
    """The same of typed numbers; `texts` are like z₁ = 8 or p₁ = 0.65.

    Probabilities that do not sum to 1 are divided by their sum, `typed_sum`; it is None for logits.
    """
    numbers = np.array(params.typed())  # [V]
    given = params.numbers_are == "probabilities"
    total = float(numbers.sum()) if given else None
    alone = _shares(numbers) if given else softmax(numbers)
    with np.errstate(divide="ignore"):
        scores = np.log(alone) if given else numbers
    before = alone if params.temperature == 1 else filter_chain(scores, params.temperature).probabilities
    kept = _kept(params, before, scores)
    final = np.where(kept, before, 0.0)
    order = np.lexsort((np.arange(len(numbers)), -scores)).astype(np.int32)
    symbol = "p" if given else "z"
    texts = [f"{symbol}{str(place + 1).translate(_SUBSCRIPTS)} = {numbers[place]:.6g}" for place in order]
    return {**_told(order, before, final / final.sum(), kept, alone), "texts": texts, "top_p": params.top_p,
            "typed_sum": total, "normalized": total is not None and abs(total - 1) > 1e-9}


def _shares(numbers: Floats) -> Floats:
    """Typed probabilities over their sum; as they are where they sum to 1, so that ties stay ties."""
    scaled = numbers / numbers.max()
    return numbers if abs(numbers.sum() - 1) <= 1e-9 else scaled / scaled.sum()


def _kept(params: ManualParams, before: Floats, scores: Floats) -> Mask:
    if params.temperature == 0:
        return before > 0
    top_p = params.top_p
    if params.rule == "definition" and top_p < 1:
        top_p = max(top_p - _ROUNDING, sys.float_info.min)
    rule = cast(BoundaryRule, params.rule)
    return keep_top_p(before, top_p, rule) & np.isfinite(scores)  # a typed probability of 0 is none


def _told(ids: Any, before: Floats, final: Floats, kept: Mask, alone: Floats) -> Result:
    spread = float(entropy(final))
    return {
        "ids": ids, "probabilities": final[ids].astype(np.float32), "before": before[ids].astype(np.float32),
        "alone": alone[ids].astype(np.float32), "kept": kept[ids].astype(np.int32),
        "kept_count": int(kept.sum()), "top_probability": float(final.max()),
        "removed_mass": float(before[~kept].sum()), "entropy": spread,
        "effective_size": float(np.exp(spread)), "model_entropy": float(entropy(alone)),
    }
