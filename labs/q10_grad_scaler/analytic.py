"""The formula side of Question 10: the cliff, the scaler as a pure function, bytes. No torch.

`scaler_trace` follows torch.amp.GradScaler (Micikevicius et al. 2017 describe the rule).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from labs.contract.columns import Result
from labs.q10_grad_scaler.formats import FORMATS, INFINITE_FP16, LARGEST_FP16
from labs.q10_grad_scaler.params import MemoryParams, ScalerParams, WindowParams
from labs.q10_grad_scaler.steps_text import read_steps
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import matmul_parameters, num_parameters

VOCABULARY = ModelConfig().vocab_size
FRESH_DEVIATION = 0.02 * math.sqrt(ModelConfig().hidden_size)
"""Of the logits of an untrained tied model: N(0, 0.02) weights times a normed state of 512 numbers."""
STATES = ("weights", "gradients", "moments")
MEGA = 10**6
UNEXPECTED = 2.0**24
"""Scales above it are allowed; gradients of usual size overflow there."""


def last_safe_tokens(vocabulary: int = VOCABULARY) -> int:
    """The largest N at which 1 / (V * N), a non-target gradient of zero logits, is not zero in FP16.

    >>> last_safe_tokens(6400)
    5242
    """
    return math.ceil(2 ** -FORMATS["fp16"].zero / vocabulary) - 1


def vanished(tokens: int, deviation: float = 0.0, vocabulary: int = VOCABULARY) -> float:
    """Share of logit gradients that are zero in FP16: logits N(0, deviation), mean over `tokens`.

    >>> vanished(5242), round(vanished(5243), 4), round(vanished(5242, 0.4525), 3)
    (0.0, 0.9998, 0.589)
    """
    others = (vocabulary - 1) / vocabulary
    edge = 2.0 ** FORMATS["fp16"].zero * vocabulary * tokens  # in units of the mean probability
    if deviation == 0:
        return others if edge >= 1 else 0.0
    return others * statistics.NormalDist(0, deviation).cdf(math.log(edge) + deviation**2 / 2)


def window(params: WindowParams) -> Result:
    """The cliff of zero logits and the slope of a fresh model, by tokens in the mean."""
    tokens = sorted({2**power for power in range(21)} | {last_safe_tokens(), last_safe_tokens() + 1})
    return {
        "cliff": {
            "last_safe": last_safe_tokens(),
            "tokens": tokens,
            "zero_logits": [vanished(n) for n in tokens],
            "fresh": [vanished(n, FRESH_DEVIATION) for n in tokens],
        }
    }


def next_state(
    scale: float,
    tracker: int,
    found_inf: bool,
    growth: float = 2.0,
    backoff: float = 0.5,
    interval: int = 2000,
) -> tuple[float, int]:
    """Scale and good-step counter after one `update()`, in FP32 as torch keeps the scale.

    A scale that would no longer be finite is not grown, but its counter starts again.

    >>> next_state(65536.0, 1999, False), next_state(65536.0, 1999, True)
    ((131072.0, 0), (32768.0, 0))
    """
    if found_inf:
        return _fp32(scale * backoff), 0
    if tracker + 1 < interval:
        return scale, tracker + 1
    grown = _fp32(scale * growth)
    return (grown if math.isfinite(grown) else scale), 0


def scaler_trace(
    found_inf: Iterable[bool],
    init: float = 65536.0,
    growth: float = 2.0,
    backoff: float = 0.5,
    interval: int = 2000,
) -> list[dict[str, Any]]:
    """For each optimizer step whether it was applied, and scale and counter after `update()`.

    >>> scaler_trace([True, False])
    [{'applied': False, 'scale': 32768.0, 'tracker': 0}, {'applied': True, 'scale': 32768.0, 'tracker': 1}]
    """
    bad = iter(found_inf)
    return _traced(lambda _scale: next(bad, None), init, growth, backoff, interval)


def scaler(params: ScalerParams) -> Result:
    """What the scaler does when a step overflows above 2^fits_exponent, and at the steps named.

    Arrays by step: "scale" and "tracker" after `update()`, "applied" 0 or 1. "skipped_steps" counts all.
    """
    named, gradient = read_steps(params.overflows), LARGEST_FP16 / 2.0**params.fits_exponent
    steps = iter(range(1, params.steps + 1))

    def overflows(scale: float) -> bool | None:
        step = next(steps, None)
        return None if step is None else step in named or scale * gradient >= INFINITE_FP16

    return as_result(
        _traced(
            overflows, params.init_scale, params.growth_factor, params.backoff_factor, params.growth_interval
        ),
        params,
    )


def as_result(trace: list[dict[str, Any]], params: ScalerParams) -> Result:
    """A trace as arrays, with the counts."""
    skipped = sum(not entry["applied"] for entry in trace)
    return {
        "scale": np.array([entry["scale"] for entry in trace], np.float32),
        "tracker": np.array([entry["tracker"] for entry in trace], np.int32),
        "applied": np.array([entry["applied"] for entry in trace], np.int32),
        "skipped_steps": skipped,
        "skip_rate": skipped / len(trace),
        "last_scale": trace[-1]["scale"],
        "init_scale": params.init_scale,
        "expect_overflow": params.init_scale > UNEXPECTED,
    }


def _traced(
    found_inf: Callable[[float], bool | None], init: float, growth: float, backoff: float, interval: int
) -> list[dict[str, Any]]:
    """Steps until `found_inf(scale)` says None."""
    scale, tracker = _fp32(init), 0
    trace: list[dict[str, Any]] = []
    while (bad := found_inf(scale)) is not None:
        scale, tracker = next_state(scale, tracker, bad, growth, backoff, interval)
        trace.append({"applied": not bad, "scale": scale, "tracker": tracker})
    return trace


def _fp32(value: float) -> float:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(value))


def states(bytes_per_number: int = 4) -> dict[str, int]:
    """Bytes of weights, gradients and AdamW's two moments of the 26M, without its step counters.

    >>> sum(states().values())
    413278208
    """
    each = num_parameters(ModelConfig()) * bytes_per_number
    return {"weights": each, "gradients": each, "moments": 2 * each}


def casts() -> int:
    """Bytes of the half-precision copies of all weights that a matrix product reads.

    >>> casts()
    51642368
    """
    return 2 * sum(matmul_parameters(ModelConfig()).values())


def saving(
    states_of: Mapping[str, Mapping[str, int]], batch: Mapping[str, Mapping[str, int]], shape: MemoryParams
) -> Result:
    """The whole ledger of one micro-batch, and what each way saves against FP32 in percent.

    Of CUDA's peak where it was taken, else of the sum of the counted bytes.
    """
    totals = {
        name: sum(states_of[name].values()) + each["casts"] + each["activations"]
        for name, each in batch.items()
    }
    peaks = {name: each.get("peak", totals[name]) for name, each in batch.items()}
    saved = {name: 100 * (1 - peak / peaks["fp32"]) for name, peak in peaks.items()}
    return {
        "batch": shape.batch,
        "length": shape.length,
        "tokens": shape.batch * shape.length,
        "bytes": {name: dict(each) for name, each in batch.items()},
        "total": totals,
        "peak": peaks,
        "counted_percent": 100 * (1 - totals["fp16"] / totals["fp32"]),
        "saved": saved,
        "saved_percent": saved["fp16"],
    }


def memory(params: MemoryParams) -> Result:
    """What follows from counting, by way of computing; the activations have to be measured."""
    return {
        "states": {name: {"fp32": size, "fp16": size, "bf16": size} for name, size in states().items()},
        "casts": {"fp32": 0, "fp16": casts(), "bf16": casts()},
    }
