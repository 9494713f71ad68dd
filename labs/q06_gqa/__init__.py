"""Question 6: grouped-query attention. What sharing key/value heads saves in bytes, time and quality."""

from __future__ import annotations

from labs.contract.columns import DeviceClass, Experiment, constant
from labs.q06_gqa.analytic import VARIANTS
from labs.q06_gqa.params import (
    CacheParams,
    ConvertParams,
    DecodeParams,
    LayerParams,
    QualityParams,
    SeedsParams,
    WiringParams,
)
from labs.tools.seeds.plans import plan_of


def _decode_seconds(params: DecodeParams, device: DeviceClass) -> float:
    largest = params.max_batch or (512 if device == "cuda" else 4)
    if device == "cuda":
        return 3 + 1.5 * (largest * params.tokens) / (512 * 2048)
    return 8 + 3 * min(largest, 32) * min(params.tokens, 2048) / (16 * 2048)


def _cache_seconds(params: CacheParams, device: DeviceClass) -> float:
    if device == "cuda":
        return 0.5 + params.batch * params.tokens * 4e-7
    tokens = min(params.tokens, 2048)
    return 1.5 + 0.0015 * tokens * min(params.batch, 4096 // tokens)


def _quality_seconds(params: QualityParams, device: DeviceClass) -> float:
    return 0.5 + params.windows * (0.01 if device == "cuda" else 0.25)


def _convert_seconds(params: ConvertParams, device: DeviceClass) -> float:
    return 1 + params.steps * 0.05 if device == "cuda" else 6 + params.steps * 0.7


def _seeds_seconds(params: SeedsParams, device: DeviceClass) -> float:
    plan = plan_of(params.size, device)
    return plan.seconds(params.seeds * len(VARIANTS), params.steps_on(device))


EXPERIMENTS = (
    Experiment("q06/decode", __name__, DecodeParams, _decode_seconds, drawn_by_formula=True),
    Experiment("q06/cache", __name__, CacheParams, _cache_seconds, drawn_by_formula=True),
    Experiment("q06/wiring", __name__, WiringParams, constant(cpu=0.1, cuda=0.1)),
    Experiment("q06/layer", __name__, LayerParams, constant(cpu=5, cuda=1.5)),
    Experiment("q06/quality", __name__, QualityParams, _quality_seconds),
    Experiment("q06/convert", __name__, ConvertParams, _convert_seconds),
    Experiment("q06/seeds", __name__, SeedsParams, _seeds_seconds),
)
