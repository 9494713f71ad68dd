"""The claims of Question 13 that follow from formulas, recomputed. Its other claims: `claims_core.py`.

Written out with `math`, `decimal` and `fractions` rather than with the lab's own filters, so that the
two can disagree. Where a claim is about what codes do in floating point, `filters.py` has those codes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from labs.claims.checks import Check, Finding, given_list
from labs.contract import Counts, Numbers
from labs.q13_sampling.filters import BoundaryRule, keep_top_p
from minimind_core.model.config import ModelConfig
from questions import load_question

Number = float | Decimal | Fraction
QUESTION = load_question("q13_sampling")
VOCABULARY = ModelConfig().vocab_size
given = partial(given_list, QUESTION)
LOGITS, UNSURE, CONFIDENT, NUCLEUS = map(given, ("logits", "unsure", "confident", "nucleus"))
"""The examples: logits of three steps, and probabilities whose sums meet p."""


def softmax(logits: Sequence[Number], temperature: float = 1.0) -> list[float]:
    """exp(z / T) over its sum, in float64."""
    top = max(float(z) for z in logits)
    weights = [math.exp((float(z) - top) / temperature) for z in logits]
    return [weight / math.fsum(weights) for weight in weights]


def entropy(probabilities: Sequence[float]) -> float:
    """In nats."""
    return -math.fsum(p * math.log(p) for p in probabilities if p > 0)


def nucleus(probabilities: Sequence[Number], p: str) -> int:
    """The size of the smallest set of most likely tokens with mass at least p, in exact arithmetic."""
    mass = Fraction(0)
    for size, probability in enumerate(sorted(probabilities, reverse=True), 1):
        mass += Fraction(probability)
        if mass >= Fraction(p):
            return size
    return len(probabilities)


def renormalized(probabilities: Sequence[Number], size: int) -> list[float]:
    """The first `size` of sorted probabilities over their sum."""
    kept = [Fraction(p) for p in probabilities[:size]]
    return [float(p / sum(kept)) for p in kept]


def softmax_cold() -> Numbers:
    """The two largest at T = 0.1."""
    first, second, *_ = softmax(LOGITS, 0.1)
    return {"first": first, "second": second}


def boundary_rules() -> Counts:
    """How many each reading of top-p keeps where a cumulative mass meets p = 0.9."""
    return {
        "definition": nucleus(NUCLEUS, "0.9"),
        "strict_shift": _kept_by("strict_shift", 0.9, np.float64),
        "transformers_fp32": _kept_by("transformers", 0.9, np.float32),
        "transformers_fp64": _kept_by("transformers", 0.9, np.float64),
    }


def half_is_greedy() -> Counts:
    """The same at p = 0.5."""
    return {
        "definition": nucleus(NUCLEUS, "0.5"),
        "transformers": _kept_by("transformers", 0.5, np.float64),
        "strict_shift": _kept_by("strict_shift", 0.5, np.float64),
    }


def nucleus_renormalized() -> list[float]:
    """What is kept at p = 0.9, renormalised."""
    return renormalized(NUCLEUS, nucleus(NUCLEUS, "0.9"))


def confident() -> dict[str, Any]:
    """The confident step, and how many more tokens like its last would give the probability commonly said."""
    claim = QUESTION.claim("Q13-C7")
    assert isinstance(claim.said, tuple)
    logits = [float(z) for z in CONFIDENT]
    weights = [math.exp(z) for z in logits]
    missing = weights[0] / float(claim.said[0]) - math.fsum(weights)  # type: ignore[arg-type]
    return {"probabilities": softmax(logits), "extra_tokens": round(missing / weights[-1])}


def printed_nucleus() -> dict[str, Any]:
    """The four printed probabilities with the rest of the mass elsewhere, and as if they were all."""
    printed = given("printed")
    kept = nucleus(printed, "0.9")
    return {
        "kept": kept,
        "renormalized": renormalized(printed, kept),
        "without_tail": nucleus([Fraction(p) / Fraction(sum(printed)) for p in printed], "0.9"),
    }


def unsure_nucleus() -> dict[str, Any]:
    """What p = 0.5 keeps of the printed probabilities and of the true ones."""
    said, true = QUESTION.claim("Q13-C10").said, softmax(UNSURE)
    assert isinstance(said, tuple)
    printed = [Decimal(str(p)) for p in said]
    sizes = nucleus(printed, "0.5"), nucleus(true, "0.5")
    return {
        "printed": sizes[0],
        "printed_renormalized": renormalized(printed, sizes[0]),
        "real": sizes[1],
        "real_renormalized": renormalized(true, sizes[1]),
    }


def slightly_cool() -> Numbers:
    """The unsure step at T = 1 and T = 0.8."""
    before, after = softmax(UNSURE), softmax(UNSURE, 0.8)
    return {
        "top_before": max(before),
        "top_after": max(after),
        "entropy_before": entropy(before),
        "entropy_after": entropy(after),
    }


def orders() -> dict[str, list[int]]:
    """Kept counts at T = 0.5, 1, 2 with temperature before top-p, and after it."""
    first = [nucleus(softmax(LOGITS, temperature), "0.9") for temperature in (0.5, 1, 2)]
    return {"temperature_first": first, "top_p_first": [nucleus(softmax(LOGITS), "0.9")] * 3}


def ranking() -> Finding:
    """The order of the tokens over many temperatures, and under a negative one."""
    by_logit = _by_rank(UNSURE)
    same = all(_by_rank(softmax(UNSURE, temperature)) == by_logit for temperature in (0.1, 0.5, 1, 2, 10))
    turned = _by_rank(softmax(UNSURE, -1.0)) == by_logit[::-1]
    return Finding(same and turned, {"positive_keeps": same, "negative_reverses": turned})


def penalty_sign() -> Numbers:
    """A logit of -2 under a repetition penalty of 1.2."""
    before, penalty = -2.0, 1.2
    return {"before": before, "divided": before / penalty, "multiplied": before * penalty}


def entropies() -> Numbers:
    """Of the example at T = 0.1, 1, 2, and of a uniform choice among as many tokens."""
    cold, plain, hot = (entropy(softmax(LOGITS, temperature)) for temperature in (0.1, 1, 2))
    return {"cold": cold, "plain": plain, "hot": hot, "limit": math.log(len(LOGITS))}


def entropy_slope() -> float:
    """Var(z) / T^3 at T = 1.3, which has to agree with a difference quotient."""
    logits, temperature, step = [float(z) for z in LOGITS], 1.3, 1e-5
    probabilities = softmax(logits, temperature)
    mean = math.fsum(p * z for p, z in zip(probabilities, logits, strict=True))
    variance = math.fsum(p * (z - mean) ** 2 for p, z in zip(probabilities, logits, strict=True))
    quotient = (
        entropy(softmax(logits, temperature + step)) - entropy(softmax(logits, temperature - step))
    ) / (2 * step)
    slope = variance / temperature**3
    assert math.isclose(slope, quotient, rel_tol=1e-6), f"the formula gives {slope}, the quotient {quotient}"
    return slope


def single_success() -> float:
    """The smallest success rate that one success in one try leaves possible at a level of 0.95."""
    level, tries = 0.05, 1
    return float((level / 2) ** (1 / tries))


def scored_and_sampled() -> Numbers:
    """The first token's probability as scored and as drawn with p = 0.9, and their ratio."""
    plain = softmax(LOGITS)
    sampled = renormalized(plain, nucleus(plain, "0.9"))
    return {"plain": plain[0], "sampled": sampled[0], "ratio": plain[0] / sampled[0]}


def exponential_race() -> Finding:
    """Winners' shares in many races against softmax, in standard errors."""
    law, draws = np.array(softmax(LOGITS)), 100_000
    times = np.random.default_rng(0).exponential(size=(draws, len(law))) / law
    shares = np.bincount(times.argmin(1), minlength=len(law)) / draws
    errors = np.abs(shares - law) / np.sqrt(law * (1 - law) / draws)
    return Finding(
        bool(errors.max() < 4), {"shares": shares.tolist(), "standard_errors": float(errors.max())}
    )


def _by_rank(values: Sequence[Number]) -> list[int]:
    return sorted(range(len(values)), key=lambda place: -values[place])


def _kept_by(rule: BoundaryRule, p: float, dtype: type) -> int:
    return int(keep_top_p(np.array(NUCLEUS, dtype=dtype), p, rule).sum())


CHECKS: dict[str, Check] = {
    "Q13-C1": lambda: softmax(LOGITS),
    "Q13-C2": lambda: softmax(LOGITS, 2),
    "Q13-C3": softmax_cold,
    "Q13-C4": boundary_rules,
    "Q13-C5": nucleus_renormalized,
    "Q13-C6": half_is_greedy,
    "Q13-C7": confident,
    "Q13-C8": lambda: softmax(CONFIDENT, 2),
    "Q13-C9": printed_nucleus,
    "Q13-C10": lambda: softmax(UNSURE),
    "Q13-C11": unsure_nucleus,
    "Q13-C12": slightly_cool,
    "Q13-C17": orders,
    "Q13-C18": ranking,
    "Q13-C20": penalty_sign,
    "Q13-C21": entropies,
    "Q13-C22": entropy_slope,
    "Q13-C25": single_success,
    "Q13-C26": lambda: math.log(VOCABULARY),
    "Q13-C27": scored_and_sampled,
    "Q13-C28": exponential_race,
}
