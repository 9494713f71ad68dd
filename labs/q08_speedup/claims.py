"""The claims of Question 8 that follow from counting and probability. Those about torch: `claims_core.py`.

Laws of what a decoding rule emits are computed exactly, outcome by outcome, not drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from labs.claims.checks import Check, Finding
from labs.q08_speedup.drafts import SHAPES
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import kv_cache_bytes, num_parameters, parameter_counts, weight_bytes
from questions import load_question

QUESTION = load_question("q08_speedup")
MODEL = ModelConfig()
MEGA = 10**6
Law = list[Fraction]


def given(name: str) -> Any:
    """One of the problem's own values; numbers are exact."""
    return QUESTION.given[name]


def law(name: str) -> Law:
    """A given distribution."""
    found = [Fraction(value) for value in given(name)]
    assert sum(found) == 1
    return found


def distance(one: Law, other: Law) -> Fraction:
    """Total variation."""
    return sum((abs(p - q) for p, q in zip(one, other, strict=True)), Fraction(0)) / 2


def emitted(accept: Callable[[int], Fraction], residual: Law) -> tuple[Law, Fraction]:
    """The law of a token drafted from q, accepted with that probability or else drawn from `residual`."""
    drafts = law("draft")
    kept = [q * accept(token) for token, q in enumerate(drafts)]
    rejected = 1 - sum(kept)
    return [k + rejected * r for k, r in zip(kept, residual, strict=True)], Fraction(sum(kept))


def equal_sample_rule() -> dict[str, float]:
    """Accept a draft that a sample of the target equals; otherwise a fresh sample of the target."""
    target, draft = law("target"), law("draft")
    out, accepted = emitted(lambda token: target[token], target)
    best = sum(min(p, q) for p, q in zip(target, draft, strict=True))
    return {"distance": float(distance(out, target)), "accepted": float(accepted), "possible": float(best)}


def lossless_rule() -> dict[str, float]:
    """Accept with min(1, p/q), on rejection draw from what p has beyond q."""
    target, draft = law("target"), law("draft")
    beyond = [max(Fraction(0), p - q) for p, q in zip(target, draft, strict=True)]
    residual = [value / sum(beyond) for value in beyond]
    out, accepted = emitted(lambda token: min(Fraction(1), target[token] / draft[token]), residual)
    assert accepted == 1 - distance(target, draft)
    return {"distance": float(distance(out, target)), "accepted": float(accepted)}


def tokens_a_round() -> list[float]:
    """Expected tokens of one draft-and-verify round: one, and one more for each draft still accepted."""
    places = range(given("draft_length") + 1)
    return [sum(float(rate) ** place for place in places) for rate in given("rates")]


def score_megabytes() -> list[float]:
    """One copy of all heads' scores of one layer in two bytes each."""
    return [MODEL.num_heads * int(length) ** 2 * 2 / MEGA for length in given("lengths")]


def read_floor() -> dict[str, float]:
    """Microseconds to read all weights once at the given bandwidth, in FP16, and what int8 would save."""
    per_microsecond = float(given("bandwidth")) * 1e6
    half, byte = weight_bytes(MODEL, 2), weight_bytes(MODEL, 1)
    return {
        "floor": half / per_microsecond,
        "saved": (half - byte) / per_microsecond,
        "megabytes": (half - byte) / MEGA,
    }


def sizes() -> dict[str, float]:
    """Megabytes of the weights by width; and of files whose linear modules alone are int8, all else fp32."""
    counts = parameter_counts(MODEL)
    linear = counts["attention"] + counts["feed_forward"]
    rest = 4 * (counts["embedding"] + counts["norms"])
    return {
        "fp32": weight_bytes(MODEL, 4) / MEGA,
        "fp16": weight_bytes(MODEL, 2) / MEGA,
        "int8": weight_bytes(MODEL, 1) / MEGA,
        "int4": num_parameters(MODEL) / 2 / MEGA,
        "dynamic": (linear + counts["embedding"] + rest) / MEGA,  # the untied head becomes an int8 module
        "dynamic_core": (linear + rest) / MEGA,
    }


def drafts() -> dict[str, float]:
    """Two drafts of about equal size, their share of our weights, and of our depth."""
    shallow, narrow = SHAPES["wide_1"], SHAPES["narrow_6"]
    shares = [num_parameters(draft) / num_parameters(MODEL) for draft in (shallow, narrow)]
    return {
        "shallow": num_parameters(shallow),
        "narrow": num_parameters(narrow),
        "shallow_share": shares[0],
        "narrow_share": shares[1],
        "shallow_depth": shallow.num_layers / MODEL.num_layers,
        "narrow_depth": narrow.num_layers / MODEL.num_layers,
    }


def batching_bounds() -> dict[str, float]:
    """E[longest] / E[mean] over a batch: exponential lengths, and uniform ones from zero."""
    slots = int(given("slots"))

    def harmonic(count: int) -> float:
        return sum(1 / place for place in range(1, count + 1))

    return {"few": harmonic(slots // 4), "exponential": harmonic(slots), "uniform": 2 * slots / (slots + 1)}


def utilisation() -> dict[str, float]:
    """Idle steps of the shorter request's slot, and percent of both slots' steps that produce something."""
    longer, shorter = int(given("long")), int(given("short"))
    return {"idle": longer - shorter, "used": 100 * (longer + shorter) / (2 * longer)}


def weight_intensity(tokens: int) -> float:
    """Operations on each byte of FP16 weights in a pass over that many tokens."""
    return 2 * tokens * num_parameters(MODEL) / weight_bytes(MODEL, 2)


def roofline() -> dict[str, float]:
    """Operations per byte of weights for one user and for all slots, and where the card is in balance."""
    return {
        "single": weight_intensity(1),
        "batch": weight_intensity(int(given("slots"))),
        "balance": round(float(given("peak")) / float(given("bandwidth"))),
    }


def caches_as_heavy_as_weights() -> dict[str, int]:
    """Cached tokens that take as many bytes as all weights in FP16: of one user, and of each of all slots."""
    tokens = weight_bytes(MODEL, 2) // kv_cache_bytes(MODEL, 1, 1, 2)
    return {"single": tokens, "each": tokens // int(given("slots"))}


def verification_intensity() -> dict[str, float]:
    """Operations per byte of weights while drafts are verified, for one user and for all slots."""
    tokens = int(given("draft_length")) + 1
    return {"single": weight_intensity(tokens), "loaded": weight_intensity(tokens * int(given("slots")))}


def multiplied() -> dict[str, float]:
    """The phases' factors multiplied: the middles, the low ends, the high ends."""
    phases = [(float(low), float(high)) for low, high in given("phases")]
    return {
        "middle": math.prod((low + high) / 2 for low, high in phases),
        "low": math.prod(low for low, _ in phases),
        "high": math.prod(high for _, high in phases),
    }


def amdahl() -> dict[str, float]:
    """With the launch share of the time fixed or gone, all else unchanged or infinitely fast."""
    share = float(given("launch_share"))
    return {"arithmetic_free": 1 / share, "launches_free": 1 / (1 - share)}


def folded_gain() -> Finding:
    """A norm's gain times its input against the gain multiplied into the next matrix."""
    random = np.random.default_rng(0)
    x, gain, weight = random.normal(size=(4, 64)), random.normal(size=64), random.normal(size=(32, 64))
    error = float(np.abs((x * gain) @ weight.T - x @ (weight * gain).T).max())
    return Finding(error < 1e-12, error)


def rounding_errors() -> Finding:
    """Round-to-nearest in 8 and 4 bits: the worst error in units of the step."""
    weights = np.random.default_rng(0).normal(size=(64, 512))
    worst = []
    for bits in (8, 4):
        step = np.abs(weights).max(-1, keepdims=True) / (2 ** (bits - 1) - 1)
        worst.append(float((np.abs(np.round(weights / step) * step - weights) / step).max()))
    return Finding(max(worst) <= 0.5 + 1e-9, worst)


CHECKS: dict[str, Check] = {
    "Q8-C4": score_megabytes,
    "Q8-C5": read_floor,
    "Q8-C6": sizes,
    "Q8-C9": equal_sample_rule,
    "Q8-C10": lossless_rule,
    "Q8-C11": tokens_a_round,
    "Q8-C12": drafts,
    "Q8-C14": batching_bounds,
    "Q8-C15": multiplied,
    "Q8-C22": utilisation,
    "Q8-C23": folded_gain,
    "Q8-C25": rounding_errors,
    "Q8-C26": amdahl,
    "Q8-C28": roofline,
    "Q8-C29": caches_as_heavy_as_weights,
    "Q8-C30": verification_intensity,
}
