"""What the sampler's settings make of measured logits: NumPy only, so that a slider answers at once.

Shapes: V vocabulary ids, N candidates shown, in the order of the settings' own probabilities.
"""

from __future__ import annotations

import numpy as np

from labs.contract import Result
from labs.q13_sampling.analytic import entropy, filter_chain, penalize
from labs.q13_sampling.params import NextTokenParams


def next_token(params: NextTokenParams, result: Result) -> Result:
    """The distribution after the settings, and how it came about.

    `probabilities` float32 [N] are what is drawn from; `before` float32 [N] is the same before anything
    was cut off; `kept` int32 [N] is 1 or 0. Counts and masses speak of the whole vocabulary.
    """
    logits = result["logits"].astype(np.float64)  # [V]
    seen = np.zeros(len(logits), dtype=bool)
    seen[result["prompt_ids"]] = True
    scores = penalize(logits, seen, params.repetition_penalty)
    filtered = filter_chain(scores, params.temperature, params.top_k, params.top_p, params.min_p)
    before = filter_chain(scores, params.temperature).probabilities
    ids = result["candidate_ids"]
    order = np.lexsort((ids, -scores[ids]))
    ids = ids[order]  # [N]
    spread = float(entropy(filtered.probabilities))
    return {
        "ids": ids, "texts": [result["candidate_texts"][index] for index in order],
        "probabilities": filtered.probabilities[ids].astype(np.float32),
        "before": before[ids].astype(np.float32), "kept": filtered.kept[ids].astype(np.int32),
        "kept_count": int(filtered.count), "removed_mass": float(before[~filtered.kept].sum()),
        "entropy": spread, "effective_size": float(np.exp(spread)),
        "model_entropy": float(entropy(filter_chain(logits).probabilities)), "top_p": params.top_p,
    }
