"""Every filter of the core in NumPy, so that a slider redraws at once. Draws no tokens and runs no model.

Equal to `minimind_core.decoding.sampling` at its rule and order (a test holds them together), and it can also
do what the core does not: other orders, typical-p, and two other readings of top-p's boundary.

The boundary rules, for probabilities sorted from the most likely and cumulative mass c_1, c_2, …:

- `definition`: keep token i while c_(i-1) < p, the smallest set with mass at least p (Holtzman et al. 2019);
- `strict_shift`: keep token i while c_(i-1) <= p, what "drop where the previous cumulative exceeds p" does;
- `transformers`: sum from the least likely and drop while that sum is <= 1 - p.

They differ only where a cumulative mass meets p. There rounding decides, which is why `dtype` can change
the count of the last two; the definition always sums in float64.

Shapes: V vocabulary ids; * is any leading shape, such as the steps of a text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
BoundaryRule = Literal["definition", "strict_shift", "transformers"]
Stage = Literal["temperature", "top_k", "top_p", "min_p", "typical_p"]

DEFAULT_ORDER: tuple[Stage, ...] = get_args(Stage)
"""The order in which transformers applies them."""
_OFF: dict[Stage, float] = {"temperature": 1, "top_k": 0, "top_p": 1, "min_p": 0, "typical_p": 1}


@dataclass(frozen=True)
class Filtered:
    """What a chain of filters leaves of one or more distributions."""

    probabilities: Floats
    """[*, V], removed tokens exactly 0, rows sum to 1."""
    kept: Mask
    """[*, V]; a kept token's probability may still round to 0 at a low temperature."""


def filter_chain(
    logits: Any,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    typical_p: float = 1.0,
    *,
    rule: BoundaryRule = "definition",
    order: Sequence[Stage] = DEFAULT_ORDER,
    dtype: Any = np.float64,
) -> Filtered:
    """Apply the filters to logits [*, V] in `order`, each on what the one before left, renormalised.

    Temperature 0 is greedy in any order. The settings are those that fields let through; `order` names each
    stage once, and every row has a finite logit and no NaN.

    >>> filter_chain([8, 7, 6, 3, 2], top_p=0.9).probabilities.round(4).tolist()
    [0.7311, 0.2689, 0.0, 0.0, 0.0]
    """
    values = (temperature, top_k, top_p, min_p, typical_p)
    settings: dict[Stage, float] = dict(zip(DEFAULT_ORDER, values, strict=True))
    assert sorted(order) == sorted(DEFAULT_ORDER), order
    scores = np.asarray(logits, dtype)  # [*, V]
    if temperature == 0:
        kept = np.arange(scores.shape[-1]) == scores.argmax(-1)[..., None]
        return Filtered(kept.astype(dtype), kept)
    kept = np.ones(scores.shape, dtype=bool)
    off = idle(settings)
    for stage in order:
        if stage in off:
            continue
        if stage == "temperature":
            scores = _tempered(scores, temperature)
        else:
            kept &= _keep(stage, settings[stage], softmax(scores), rule)
            scores = np.where(kept, scores, -np.inf)
    return Filtered(softmax(scores), kept)


def idle(settings: Mapping[Any, Any]) -> set[Stage]:
    """The stages that change nothing wherever they stand; at temperature 0 that is all the others.

    >>> sorted(idle({"temperature": 0.8, "top_k": 0, "top_p": 0.9, "min_p": 0, "typical_p": 1}))
    ['min_p', 'top_k', 'typical_p']
    """
    greedy = settings["temperature"] == 0
    return {
        stage
        for stage in DEFAULT_ORDER
        if settings[stage] == _OFF[stage] or (greedy and stage != "temperature")
    }


def softmax(scores: Floats) -> Floats:
    """Probabilities of scores [*, V] in their own dtype; -inf becomes exactly 0."""
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def keep_top_k(probabilities: Floats, k: int) -> Mask:
    """The k most likely tokens of probabilities [*, V], equals by lowest id."""
    return _by_id(_descending(probabilities), np.arange(probabilities.shape[-1]) < k)


def keep_top_p(probabilities: Floats, p: float, rule: BoundaryRule = "definition") -> Mask:
    """The nucleus of probabilities [*, V] under one of the three boundary rules.

    >>> example = np.array([0.5, 0.25, 0.15, 0.05, 0.03, 0.02])
    >>> [int(keep_top_p(example, 0.9, rule).sum()) for rule in get_args(BoundaryRule)]
    [3, 4, 4]
    """
    order = _descending(probabilities)
    if p >= 1:
        inside = np.ones(probabilities.shape, dtype=bool)
    elif rule == "transformers":
        ordered = np.take_along_axis(probabilities, order, -1)
        tail = ordered[..., ::-1].cumsum(-1)[..., ::-1]  # mass of a token and all that are less likely
        inside = tail > 1 - p
        inside[..., 0] = True
    elif rule == "strict_shift":
        inside = _mass_before(probabilities, order, probabilities.dtype) <= p
    else:
        inside = _mass_before(probabilities, order) < p
    return _by_id(order, inside)


def keep_typical(probabilities: Floats, p: float) -> Mask:
    """The fewest tokens of mass p whose surprise is nearest to the entropy (Meister et al. 2022).

    Not a prefix of the sorted order: the most likely token may go.
    """
    with np.errstate(divide="ignore"):
        surprise = -np.log(probabilities)
    distance = np.abs(surprise - entropy(probabilities)[..., None])  # [*, V], inf for removed tokens
    nearest = np.argsort(distance, axis=-1, kind="stable")
    return _by_id(nearest, _mass_before(probabilities, nearest) < p)


def penalize(logits: Any, seen: Any, penalty: float) -> Floats:
    """Logits [*, V] with the repetition penalty on the seen tokens (bool [*, V] or [V]).

    By CTRL's sign rule negative logits are multiplied: dividing them would raise them.

    >>> penalize([2.4, -2.0], [True, True], 1.2).round(2).tolist()
    [2.0, -2.4]
    """
    scores = np.asarray(logits)
    return np.where(seen, np.where(scores < 0, scores * penalty, scores / penalty), scores)


def entropy(probabilities: Floats) -> Floats:
    """Entropy in nats of probabilities [*, V], as [*]; 0 log 0 is 0."""
    logs = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return 0.0 - (probabilities * logs).sum(-1)  # nor is -0 an entropy


def _keep(stage: Stage, value: float, probabilities: Floats, rule: BoundaryRule) -> Mask:
    if stage == "top_k":
        return keep_top_k(probabilities, int(value))
    if stage == "top_p":
        return keep_top_p(probabilities, value, rule)
    if stage == "typical_p":
        return keep_typical(probabilities, value)
    return probabilities >= value * probabilities.max(-1, keepdims=True)


def _tempered(scores: Floats, temperature: float) -> Floats:
    """Scores over T, shifted first so that the top stays 0 and a tiny T cannot overflow it."""
    with np.errstate(over="ignore"):
        return (scores - scores.max(-1, keepdims=True)) / temperature


def _descending(values: Floats) -> NDArray[np.intp]:
    """Ids from the largest value down, equals by lowest id, [*, V]."""
    return np.argsort(-values, axis=-1, kind="stable")


def _mass_before(probabilities: Floats, order: NDArray[np.intp], dtype: Any = np.float64) -> Floats:
    """The mass of all tokens that come before each in the order of ids, summed in `dtype`, [*, V]."""
    before = np.zeros(probabilities.shape, dtype)
    before[..., 1:] = np.take_along_axis(probabilities, order, -1).cumsum(-1, dtype)[..., :-1]
    return before


def _by_id(order: NDArray[np.intp], flags: Mask) -> Mask:
    """Flags [*, V] or [V] of ranks, said of the ids at these ranks."""
    mask = np.zeros(order.shape, dtype=bool)
    np.put_along_axis(mask, order, flags, -1)
    return mask
