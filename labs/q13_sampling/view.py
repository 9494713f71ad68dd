"""What the sampler's settings make of logits, measured or typed: NumPy only, so a slider answers at once.

Both views have the same keys, so that the same bars draw them. `probabilities` float32 [N] are what is
drawn from; `before` float32 [N] is the same before anything was cut off; `alone` float32 [N] is without
any setting; `kept` int32 [N] is 1 or 0. Counts, masses and entropies speak of all tokens.

Shapes: V tokens in all, N candidates shown, in the order of the settings' own probabilities.
"""

from __future__ import annotations

import sys
from typing import Any, cast, get_args

import numpy as np

from labs.contract.columns import Result
from labs.q13_sampling.analytic import (
    BoundaryRule,
    Floats,
    Mask,
    Stage,
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
    filtered = filter_chain(
        scores,
        params.temperature,
        params.top_k,
        params.top_p,
        params.min_p,
        params.typical_p,
        rule=cast(BoundaryRule, params.rule),
        order=cast(list[Stage], params.order.split(",")),
        dtype=np.dtype(params.dtype),
    )
    before = filter_chain(scores, params.temperature).probabilities
    ids = result["candidate_ids"]
    order = np.lexsort((ids, -scores[ids]))
    texts = [result["candidate_texts"][index] for index in order]
    final = filtered.probabilities.astype(np.float64)
    return {
        **_told(ids[order], before, final, filtered.kept, softmax(logits)),
        "texts": texts,
        "top_p": params.top_p,
    }


def manual(params: ManualParams, _result: Result) -> Result:
    """The same of typed numbers, `read_as` "logits" or "probabilities"; `rules` is what each rule would keep.

    `texts` are like z₁ = 8 or p₁ = 0.65. Probabilities that do not sum to 1 are divided by their sum,
    `typed_sum`; it is None for logits.
    """
    numbers = np.array(params.typed())  # [V]
    given = params.read_as == "probabilities"
    total = float(numbers.sum()) if given else None
    alone = _shares(numbers) if given else softmax(numbers)
    with np.errstate(divide="ignore"):
        scores = np.log(alone) if given else numbers
    before = alone if params.temperature == 1 else filter_chain(scores, params.temperature).probabilities
    cut = alone if params.order.startswith("top_p") else before
    masks = {
        rule: _kept(params, rule, cut) & (before > 0 if params.temperature == 0 else np.isfinite(scores))
        for rule in get_args(BoundaryRule)
    }  # a typed probability of 0 is no candidate
    kept = masks[cast(BoundaryRule, params.rule)]
    final = np.where(kept, before, 0.0)
    order = np.lexsort((np.arange(len(numbers)), -scores)).astype(np.int32)
    symbol = "p" if given else "z"
    texts = [f"{symbol}{str(place + 1).translate(_SUBSCRIPTS)} = {numbers[place]:.6g}" for place in order]
    return {
        **_told(order, before, final / final.sum(), kept, alone),
        "texts": texts,
        "top_p": params.top_p,
        "rules": {rule: int(mask.sum()) for rule, mask in masks.items()},
        "read_as": params.read_as,
        "typed_sum": total,
        "normalized": total is not None and abs(total - 1) > 1e-9,
    }


def _shares(numbers: Floats) -> Floats:
    """Typed probabilities over their sum; as they are where they sum to 1, so that ties stay ties."""
    scaled = numbers / numbers.max()
    return numbers if abs(numbers.sum() - 1) <= 1e-9 else scaled / scaled.sum()


def _kept(params: ManualParams, rule: BoundaryRule, probabilities: Floats) -> Mask:
    """What top-p leaves by a rule, in the dtype that was asked for; temperature 0 leaves it nothing to do."""
    if params.temperature == 0:
        return np.ones(probabilities.shape, dtype=bool)
    return keep_top_p(probabilities.astype(params.dtype), _mass(params, rule), rule)


def _mass(params: ManualParams, rule: BoundaryRule) -> float:
    """p, or by the definition in full precision a hair less: what was typed meets p by design."""
    if rule != "definition" or params.top_p == 1 or params.dtype != "float64":
        return params.top_p
    return max(params.top_p - _ROUNDING, sys.float_info.min)


def _told(ids: Any, before: Floats, final: Floats, kept: Mask, alone: Floats) -> Result:
    spread = float(entropy(final))
    return {
        "ids": ids,
        "probabilities": final[ids].astype(np.float32),
        "before": before[ids].astype(np.float32),
        "alone": alone[ids].astype(np.float32),
        "kept": kept[ids].astype(np.int32),
        "kept_count": int(kept.sum()),
        "top_probability": float(final.max()),
        "removed_mass": float(before[~kept].sum()),
        "entropy": spread,
        "effective_size": float(np.exp(spread)),
        "model_entropy": float(entropy(alone)),
    }
