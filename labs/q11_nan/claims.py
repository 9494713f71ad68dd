"""The claims of Question 11 that follow from arithmetic, recomputed. Its other claims: `claims_core.py`.

Numbers that are not finite are returned as texts, so that they can be stated.
"""

from __future__ import annotations

import math
import random
import statistics
from functools import partial
from typing import Any

import numpy as np

from labs.claims.checks import Check, Finding, given_whole
from labs.q11_nan.formats import clip, rms_norm, score, told
from questions import load_question

QUESTION = load_question("q11_nan")
given = partial(given_whole, QUESTION)
WINDOW, SHORT = 100, 10
"""Losses that the usual monitor looks at, and those of its two means."""


def clipped(gradient: list[float]) -> list[float | str]:
    """What `clip_grad_norm_` leaves of it at norm 1."""
    return [told(value) for value in clip(gradient, 1.0)[2]]


def epsilon() -> dict[str, float]:
    """The largest gain of RMSNorm, and what it makes of inputs of RMS 0.01."""
    epsilons = {"larger_eps": 1e-5, "smaller_eps": 1e-6}
    return {
        **{name: round(1 / math.sqrt(eps)) for name, eps in epsilons.items()},
        **{f"{name}_output": float(rms_norm(0.01, eps)) for name, eps in epsilons.items()},
    }


def tiny_epsilon() -> dict[str, Any]:
    """A zero vector through RMSNorm, and the FP16 number whose square is Inf."""
    ordered = np.arange(0x7C00, dtype=np.uint16).view(np.float16)  # every finite FP16 number from zero up
    silent = ordered[np.isinf(ordered * ordered)][0]
    assert rms_norm(silent, 1e-5, "fp16") == 0
    return {
        "zero_input": told(float(rms_norm(0.0, 1e-8))),
        "without_eps": told(float(rms_norm(0.0, 0.0))),
        "eps_in_fp16": told(np.float16(1e-8)),
        "zero_input_fp16": told(float(rms_norm(0.0, 1e-8, "fp16"))),
        "silent_from": float(silent),
    }


def scores() -> dict[str, Any]:
    """One attention score, cast after its product, before it, and with the query divided first."""
    width, entry = given("head_dim"), given("activation")
    (product, before), (_, after), (_, scaled) = (
        score(entry, width, order) for order in ("cast_before", "cast_after", "scaled_before")
    )
    return {
        "product": product,
        "cast_before": before,
        "cast_after": told(after),
        "scaled_before": told(scaled),
    }


def empty_batch() -> dict[str, Any]:
    """The masked mean of nothing, and its gradient with respect to a loss under the mask."""

    def ratio(dtype: type) -> float | str:
        zero = dtype(0)
        return told(zero / (zero + dtype(1e-8)))

    return {
        "fp32_loss": ratio(np.float32),
        "fp32_gradient": ratio(np.float32),  # mask / denominator
        "fp16_loss": ratio(np.float16),
    }


def schedules() -> dict[str, float]:
    """Shares of the peak: as printed, and as a cosine between peak and floor."""
    floor = 0.1

    def cosine(time: float) -> float:
        return (1 + math.cos(math.pi * time)) / 2

    printed = {name: floor + cosine(time) for name, time in (("start", 0), ("middle", 0.5), ("end", 1))}
    right = {
        f"right_{name}": floor + (1 - floor) * cosine(time) for name, time in (("start", 0), ("middle", 0.5))
    }
    assert math.isclose(floor + (1 - floor) * cosine(1), printed["end"])
    return printed | right


def monitor_alarms() -> dict[str, int]:
    """Alarms of the rule "maximum above twice the median" after a NaN and after one spike."""

    def alarms(losses: list[float]) -> int:
        windows = [np.array(losses[end - WINDOW : end]) for end in range(WINDOW, len(losses) + 1)]
        return sum(bool(window.max() > 2 * np.median(window)) for window in windows)

    flat = [2.0] * 150
    return {
        "alarms_after_nan": alarms([*flat, *[math.nan] * 150]),
        "alarms_after_spike": alarms([*flat, 20.0, *[2.0] * 250]),
    }


def noisy_alarms() -> dict[str, float]:
    """Percent of the steps where ten losses average more than the ten before, flat and falling."""

    def percent(fall: float) -> float:
        source = random.Random(0)
        losses = [source.gauss(2, 0.1) - fall * step for step in range(20_000)]
        fires = [
            sum(losses[end - SHORT : end]) > sum(losses[end - 2 * SHORT : end - SHORT])
            for end in range(2 * SHORT, len(losses) + 1)
        ]
        return 100 * statistics.fmean(fires)

    return {"plateau": percent(0.0), "falling": percent(0.0005)}


def masked_mean() -> dict[str, Any]:
    """The mean under a mask, by product and by selection."""
    losses, mask = np.array([1, np.inf]), np.array([1, 0])
    return {
        "multiplied": told((losses * mask).sum() / mask.sum()),
        "selected": told(losses[mask == 1].mean()),
    }


def masks() -> dict[str, Any]:
    """Additive masks in FP16."""
    lowest = np.finfo(np.float16).min
    return {
        "minus_1e9": told(np.float16(-1e9)),
        "lowest_minus_16": told(lowest - np.float16(16)),
        "mask_times_inf": told(np.float16(1 - 1) * np.float16(-np.inf)),
    }


def classics() -> dict[str, Any]:
    """A softmax whose logarithm is taken, in two steps and in one; AdamW's update in FP16 for no gradient."""
    logits = np.array([1e4, 0])
    shifted = np.exp(logits - logits.max())
    zero = np.float16(0)
    return {
        "written_out": told(-np.log(shifted[1] / shifted.sum())),
        "fused": told(logits.max() + np.log(shifted.sum()) - logits[1]),
        "adam_in_fp16": told(zero / (np.sqrt(zero) + np.float16(1e-8))),
    }


def z_loss_slopes() -> Finding:
    """The gradient of the z-loss against difference quotients, above and below a log-sum of zero."""
    logits = np.random.default_rng(0).normal(size=9)
    (high, apart), (low, other) = z_loss_slope(logits), z_loss_slope(logits - 9)
    holds = max(apart, other) < 1e-6 and bool((high > 0).all()) and bool((low < 0).all())
    return Finding(holds, {"apart": max(apart, other), "above": float(high.sum()), "below": float(low.sum())})


def z_loss_slope(logits: np.ndarray) -> tuple[np.ndarray, float]:
    """The gradient by its formula, and how far difference quotients are from it."""
    weight, step = 1e-4, 1e-6

    def log_sum(z: np.ndarray) -> float:
        return float(np.log(np.exp(z).sum()))

    formula = 2 * weight * log_sum(logits) * np.exp(logits - log_sum(logits))
    steps = step * np.eye(len(logits))
    quotients = np.array(
        [weight * (log_sum(logits + one) ** 2 - log_sum(logits - one) ** 2) / (2 * step) for one in steps]
    )
    return formula, float(abs(formula - quotients).max() / abs(formula).max())


def one_rank() -> dict[str, int]:
    """Ranks whose gradient holds a NaN, before and after the mean over all."""
    gradients = np.random.default_rng(0).normal(size=(4, 3))
    gradients[2, 1] = math.nan
    reduced = np.broadcast_to(gradients.mean(0), gradients.shape)
    before, after = (int(np.isnan(each).any(1).sum()) for each in (gradients, reduced))
    return {"before": before, "after": after}


def second_moment_memory() -> dict[str, int]:
    """Steps that AdamW's second moment remembers, and twice as many."""
    memory = {name: round(1 / (1 - beta)) for name, beta in (("999", 0.999), ("95", 0.95))}
    return {
        **{f"memory_{name}": steps for name, steps in memory.items()},
        **{f"rule_{name}": 2 * steps for name, steps in memory.items()},
    }


def quietly(check: Check) -> Check:
    """The same without NumPy's warnings: not being finite is the point here."""

    def run() -> Any:
        with np.errstate(all="ignore"):
            return check()

    return run


CHECKS: dict[str, Check] = {
    name: quietly(check)
    for name, check in {
        "Q11-C1": epsilon,
        "Q11-C2": tiny_epsilon,
        "Q11-C3": lambda: {
            "one_infinite": clipped([math.inf, 4]),
            "one_nan": clipped([math.nan, 4]),
            "huge": clipped([3e38, 3e38]),
        },
        "Q11-C4": lambda: {"doubled": told(np.finfo(np.float16).max * np.float16(2))},
        "Q11-C5": lambda: {
            "skips_saved": math.log2(given("scale") / given("low_scale")),
            "activation": told(np.float16(300) * np.float16(300)),
        },
        "Q11-C6": scores,
        "Q11-C7": empty_batch,
        "Q11-C10": schedules,
        "Q11-C14": monitor_alarms,
        "Q11-C16": masked_mean,
        "Q11-C20": lambda: 100 / given("scale"),
        "Q11-C24": lambda: math.log(given("vocabulary")),
        "Q11-C25": noisy_alarms,
        "Q11-C26": masks,
        "Q11-C27": classics,
        "Q11-C29": z_loss_slopes,
        "Q11-C32": one_rank,
        "Q11-C35": second_moment_memory,
    }.items()
}
