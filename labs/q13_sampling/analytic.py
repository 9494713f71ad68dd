"""The formula side of the sampler bench: every filter of the core in NumPy, so that a slider redraws at once.

Equal to `minimind_core.decoding.sampling` at its rule and order (a test holds them together), and it can also
do what the core does not: other orders, typical-p, and two other readings of top-p's boundary. It draws no
tokens and runs no model.

The boundary rules, for probabilities sorted from the most likely and cumulative mass c_1, c_2, …:

- `definition`: keep token i while c_(i-1) < p, the smallest set with mass at least p (Holtzman et al. 2019);
- `strict_shift`: keep token i while c_(i-1) <= p, what "drop where the previous cumulative exceeds p" does;
- `transformers`: sum from the least likely and drop while that sum is <= 1 - p.

They differ only where a cumulative mass meets p. There rounding decides, which is why `dtype` can change
the count of the last two; the definition always sums in float64.

Shapes: V vocabulary ids; * is any leading shape, such as the steps of a text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from labs.contract import Params
from labs.contract.columns import Result
from minimind_core.decoding.sampling_params import check_setting
from minimind_core.errors import ConfigError

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

    @property
    def count(self) -> NDArray[np.int64]:
        """How many tokens each row keeps, [*]."""
        return self.kept.sum(-1)


def filter_probabilities(
    logits: Any,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    **options: Any,
) -> Floats:
    """`filter_chain(...).probabilities`, with the arguments of the core's `filter_logits`.

    >>> filter_probabilities([8, 7, 6, 3, 2], top_p=0.9).round(4).tolist()
    [0.7311, 0.2689, 0.0, 0.0, 0.0]
    """
    return filter_chain(logits, temperature, top_k, top_p, min_p, **options).probabilities


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

    Temperature 0 is greedy in any order. Raises ConfigError for a setting out of range, an order that
    does not name each stage once, or a row without a candidate.
    """
    values = (temperature, top_k, top_p, min_p, typical_p)
    settings: dict[Stage, float] = dict(zip(DEFAULT_ORDER, values, strict=True))
    _check(settings, order)
    scores = _scores(logits, dtype)  # [*, V]
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
    return _by_rank(probabilities, np.arange(probabilities.shape[-1]) < k)


def keep_top_p(probabilities: Floats, p: float, rule: BoundaryRule = "definition") -> Mask:
    """The nucleus of probabilities [*, V] under one of the three boundary rules.

    >>> example = np.array([0.5, 0.25, 0.15, 0.05, 0.03, 0.02])
    >>> [int(keep_top_p(example, 0.9, rule).sum()) for rule in get_args(BoundaryRule)]
    [3, 4, 4]
    """
    if p >= 1:
        return np.ones(probabilities.shape, dtype=bool)
    ordered = np.take_along_axis(probabilities, _order(probabilities), -1)  # [*, V], most likely first
    if rule == "transformers":
        tail = ordered[..., ::-1].cumsum(-1)[..., ::-1]  # mass of a token and all that are less likely
        inside = tail > 1 - p
        inside[..., 0] = True
    else:
        reached = ordered.cumsum(-1, dtype=np.float64 if rule == "definition" else None)[..., :-1]
        inside = np.ones(probabilities.shape, dtype=bool)
        inside[..., 1:] = reached < p if rule == "definition" else reached <= p
    return _by_rank(probabilities, inside)


def keep_typical(probabilities: Floats, p: float) -> Mask:
    """The fewest tokens of mass p whose surprise is nearest to the entropy (Meister et al. 2022).

    Not a prefix of the sorted order: the most likely token may go.
    """
    with np.errstate(divide="ignore"):
        surprise = -np.log(probabilities)
    distance = np.abs(surprise - entropy(probabilities)[..., None])  # [*, V], inf for removed tokens
    nearest = np.argsort(distance, axis=-1, kind="stable")
    reached = np.take_along_axis(probabilities, nearest, -1).cumsum(-1, dtype=np.float64)[..., :-1]
    inside = np.ones(probabilities.shape, dtype=bool)
    inside[..., 1:] = reached < p
    return _scattered(nearest, inside)


def penalize(logits: Any, seen: Any, penalty: float, *, sign_rule: bool = True) -> Floats:
    """Logits [*, V] with the repetition penalty on the seen tokens (bool [*, V] or [V]).

    CTRL's sign rule multiplies negative logits; without it they are divided too, which *raises* them.

    >>> [penalize([-2.0], [True], 1.2, sign_rule=rule).round(2).tolist() for rule in (True, False)]
    [[-2.4], [-1.67]]
    """
    check_setting("repetition_penalty", penalty)
    scores = _floats(logits)
    changed = np.where(scores < 0, scores * penalty, scores / penalty) if sign_rule else scores / penalty
    return np.where(seen, changed, scores)


def entropy(probabilities: Floats) -> Floats:
    """Entropy in nats of probabilities [*, V], as [*]; 0 log 0 is 0."""
    logs = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return -(probabilities * logs).sum(-1)


def effective_size(probabilities: Floats) -> Floats:
    """exp(entropy), as [*]: the number of equally likely tokens that would be as uncertain."""
    return np.exp(entropy(probabilities))


def entropy_slope(logits: Any, temperature: float) -> Floats:
    """dH/dT = Var(logit) / T^3 in nats per unit of temperature, as [*]; never negative.

    >>> round(float(entropy_slope([8, 7, 6, 3, 2], 1.3)), 5)
    0.41447
    """
    scores = _floats(logits)
    probabilities = filter_probabilities(scores, temperature)
    finite = np.where(probabilities > 0, scores, 0)
    mean = (probabilities * finite).sum(-1, keepdims=True)
    return (probabilities * (finite - mean) ** 2).sum(-1) / temperature**3


def min_p_gap(temperature: float, min_p: float) -> float:
    """How far below the top logit a token may lie and survive min-p: T ln(1 / min_p); inf when it is off."""
    return temperature * math.log(1 / min_p) if min_p > 0 else math.inf


def manual(_params: Params) -> Result:
    """Nothing: what happens to typed numbers is all in view.py, so there is nothing to wait for."""
    return {"model": None}


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


def _order(values: Floats) -> NDArray[np.intp]:
    """Ids from the largest value down, equals by lowest id, [*, V]."""
    return np.argsort(-values, axis=-1, kind="stable")


def _by_rank(values: Floats, inside: Mask) -> Mask:
    """`inside` [*, V] or [V] speaks of ranks; the same about ids."""
    return _scattered(_order(values), np.broadcast_to(inside, values.shape))


def _scattered(ids: NDArray[np.intp], flags: Mask) -> Mask:
    mask = np.zeros(ids.shape, dtype=bool)
    np.put_along_axis(mask, ids, flags, -1)
    return mask


def _floats(logits: Any) -> Floats:
    values = np.asarray(logits)
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def _scores(logits: Any, dtype: Any) -> Floats:
    scores = np.asarray(logits, dtype=dtype)
    if scores.shape[-1] == 0 or not np.isfinite(scores.max(-1)).all():  # max is NaN where any value is
        raise ConfigError("These logits contain no candidate: a row needs a finite logit, and no NaN or inf.")
    return scores


def _check(settings: dict[Stage, float], order: Sequence[Stage]) -> None:
    for name, value in settings.items():
        if name != "typical_p":
            check_setting(name, value)
    if not 0 < settings["typical_p"] <= 1:
        raise ConfigError("Typical-p must be in (0, 1]; 1 keeps all tokens.")
    if sorted(order) != sorted(DEFAULT_ORDER):
        raise ConfigError(f"The order must name each of {', '.join(DEFAULT_ORDER)} once.")
