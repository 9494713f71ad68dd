"""The claims of Question 10 that follow from number formats and counting, recomputed.

FP16 is NumPy's; BF16 is rounded by its own rule. The other claims: `claims_core.py`.
"""

from __future__ import annotations

import math
import statistics

import numpy as np

from labs.claims.checks import Check, given_list, given_whole
from labs.contract import Counts, Numbers
from labs.tools.number_formats import to_bf16
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import matmul_parameters, num_parameters
from questions import load_question

QUESTION = load_question("q10_grad_scaler")
SCALE, LOW_SCALE, VOCABULARY, TOKENS = (
    given_whole(QUESTION, name) for name in ("scale", "low_scale", "vocabulary", "tokens")
)
INTERVAL, MEGA = 2000, 10**6
FP16_BITS, BF16_BITS = 11, 8
"""Bits of the significand, the hidden one included."""


def half(number: float) -> float:
    """The number after FP16 has stored it."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float16(number))


def bfloat(number: float) -> float:
    """The number after BF16 has stored it."""
    return float(to_bf16(np.float32(number)))


def off_percent(stored: float, true: float) -> float:
    """Relative error."""
    return 100 * abs(stored - true) / abs(true)


def largest() -> Counts:
    """The largest FP16 number and the first whole number that becomes Inf."""
    top = int(np.finfo(np.float16).max)
    return {"largest": top, "infinite_from": next(n for n in range(top, 2 * top) if math.isinf(half(n)))}


def smallest() -> Numbers:
    """The smallest FP16 numbers, and its decimal digits."""
    info = np.finfo(np.float16)
    return {
        "subnormal": float(info.smallest_subnormal),
        "normal": float(info.tiny),
        "digits": FP16_BITS * math.log10(2),
    }


def small_gradient() -> Numbers:
    """1e-7 in FP16, and the largest power of two that becomes zero, up to which everything does."""
    edge = max(2.0**-k for k in range(40) if half(2.0**-k) == 0)
    assert half(np.nextafter(edge, 1)) > 0
    return {"stored": half(1e-7), "percent": off_percent(half(1e-7), 1e-7), "zero_up_to": edge}


def scaled_gradient() -> Numbers:
    """1e-8 in FP16, alone and scaled."""
    scaled = half(1e-8 * SCALE)
    return {"alone": half(1e-8), "scaled": scaled, "percent": off_percent(scaled / SCALE, 1e-8)}


def bf16_format() -> Numbers:
    """Its largest number over that of FP32, its smallest normal one, its digits."""
    top = (2 - 2.0 ** (1 - BF16_BITS)) * 2.0**127
    assert bfloat(top) == top and math.isinf(bfloat(float(np.finfo(np.float32).max)))
    return {
        "percent_of_fp32": 100 * top / float(np.finfo(np.float32).max),
        "normal": float(np.finfo(np.float32).tiny),
        "digits": BF16_BITS * math.log10(2),
    }


def down_and_back() -> Counts:
    """Bad steps to the low scale, and good ones to come back."""
    scale, skipped, good = SCALE, 0, 0
    while scale > LOW_SCALE:
        scale, skipped = scale // 2, skipped + 1
    while scale < SCALE:
        scale, good = scale * 2, good + INTERVAL
    return {"skipped": skipped, "good_steps_back": good}


def early_gradients() -> Counts:
    """How many overflow at the first scale, and the largest power of two at which none does."""
    gradients = [float(g) for g in given_list(QUESTION, "early")]
    fits = max(2**k for k in range(20) if not any(math.isinf(half(g * 2**k)) for g in gradients))
    return {"overflowing": sum(math.isinf(half(g * SCALE)) for g in gradients), "scale_that_fits": fits}


def first_loss() -> Numbers:
    """Of a uniform guess, plain and scaled; FP16 could not hold it."""
    loss = math.log(VOCABULARY)
    assert math.isinf(half(loss * SCALE))
    return {"loss": loss, "scaled": round(loss * SCALE)}


def cliff() -> Numbers:
    """The last number of tokens whose non-target logit gradients survive, and zeros beside it, in percent."""

    def zeros(tokens: int) -> float:
        row = np.full(VOCABULARY, 1 / VOCABULARY / tokens)
        row[0] = (1 / VOCABULARY - 1) / tokens
        return 100 * float((row.astype(np.float16) == 0).mean())

    safe = next(n for n in range(1, 10**5) if half(1 / (VOCABULARY * (n + 1))) == 0)
    return {
        "last_safe": safe,
        "first_gone": safe + 1,
        "percent_zero_before": zeros(safe),
        "percent_zero_after": zeros(safe + 1),
    }


def states() -> Numbers:
    """Bytes of parameters, gradients and two moments in FP32, of step counters, and of the casts."""
    config = ModelConfig()
    tensors = config.num_layers * (4 + 3 + 2) + 2  # attention, feed-forward, norms; embedding, last norm
    per_parameter, casts = 4 * 4, 2 * sum(matmul_parameters(config).values())
    total = per_parameter * num_parameters(config)
    return {
        "per_parameter": per_parameter,
        "states": total,
        "megabytes": total / MEGA,
        "step_scalars": 4 * tensors,
        "casts": casts,
        "casts_megabytes": casts / MEGA,
    }


def decay() -> Counts:
    """Halvings of the first scale in FP32 until it is one, until its reciprocal is Inf, until it is zero."""
    scale, steps, seen, endless = np.float32(SCALE), 0, {}, []
    while scale > 0:
        scale, steps = np.float32(scale * np.float32(0.5)), steps + 1
        seen[float(scale)] = steps
        with np.errstate(over="ignore", divide="ignore"):
            endless += [steps] if np.isinf(np.float32(1) / scale) else []
    return {"to_one": seen[1.0], "nan_from": endless[0], "to_zero": seen[0.0]}


def slope() -> Numbers:
    """Zeros in percent where the logits are normal with the deviation of a fresh tied model."""
    deviation = 0.02 * math.sqrt(ModelConfig().hidden_size)
    edge = small_gradient()["zero_up_to"]

    def zeros(tokens: int) -> float:
        limit = math.log(edge * VOCABULARY * tokens) + deviation**2 / 2
        return 100 * statistics.NormalDist(0, deviation).cdf(limit)

    return {
        "deviation": deviation,
        "percent_at_edge": zeros(int(cliff()["last_safe"])),
        "percent_at_batch": zeros(TOKENS),
    }


def late_gradients() -> Numbers:
    """What the low scale does to the late gradients."""
    true = [float(g) * LOW_SCALE for g in given_list(QUESTION, "late")]
    stored = [half(g) for g in true]
    normal = float(np.finfo(np.float16).tiny)
    return {
        "zeros": sum(g == 0 for g in stored),
        "subnormal": sum(0 < g < normal for g in stored),
        "worst_percent": max(map(off_percent, stored, true)),
    }


def swallowed() -> Numbers:
    """The next BF16 numbers above and below one, and the largest powers of two that one absorbs."""
    powers = [2.0**-k for k in range(1, 20)]
    return {
        "spacing": min(p for p in powers if bfloat(1 + p) == 1 + p),
        "swallowed": max(p for p in powers if bfloat(1 + p) == 1),
        "spacing_below": min(p for p in powers if bfloat(1 - p) == 1 - p),
        "swallowed_below": max(p for p in powers if bfloat(1 - p) == 1),
    }


def ledgers() -> Counts:
    """Bytes a parameter: weights, gradients, master weights and two moments in 4 or in 2 bytes each."""
    full, short = np.dtype(np.float32).itemsize, np.dtype(np.float16).itemsize
    return {
        "autocast": full + full + 2 * full,
        "master": short + short + full + 2 * full,
        "main_grad": short + full + full + 2 * full,
        "pure": short + short + 2 * short,
    }


def logit_megabytes() -> Numbers:
    """Of all tokens' logits, in FP32 and in half precision."""
    count = TOKENS * VOCABULARY
    return {"fp32": count * 4 / MEGA, "half": count * 2 / MEGA}


CHECKS: dict[str, Check] = {
    "Q10-C1": largest,
    "Q10-C2": smallest,
    "Q10-C3": small_gradient,
    "Q10-C4": scaled_gradient,
    "Q10-C6": bf16_format,
    "Q10-C9": down_and_back,
    "Q10-C10": early_gradients,
    "Q10-C12": first_loss,
    "Q10-C13": lambda: 1 / SCALE,
    "Q10-C14": cliff,
    "Q10-C17": states,
    "Q10-C23": decay,
    "Q10-C25": slope,
    "Q10-C26": late_gradients,
    "Q10-C28": swallowed,
    "Q10-C30": ledgers,
    "Q10-C31": logit_megabytes,
}
