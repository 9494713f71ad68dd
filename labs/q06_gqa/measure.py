"""Question 6 on the device: decode speed, cache bytes, wiring, one layer, quality, conversion, seeds.

Each function is one experiment; the parts with names of their own are in `decoding.py`, `sharing.py`,
`quality.py`, `converting.py` and `labs/seeds`. Draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from labs.contract.columns import DEFAULT_MODEL, Context, Result
from labs.q06_gqa import analytic
from labs.q06_gqa.converting import BATCH_SIZE, LENGTH, pooled, uptrained
from labs.q06_gqa.decoding import DecodeStep, read_bandwidth, untrained
from labs.q06_gqa.limits import cached_tokens, check_cache, check_live_type, decode_batches, prefill_rows
from labs.q06_gqa.params import (
    BITS,
    QUERY_HEADS,
    CacheParams,
    ConvertParams,
    DecodeParams,
    LayerParams,
    QualityParams,
    SeedsParams,
    WiringParams,
)
from labs.q06_gqa.prefilling import prefilled
from labs.q06_gqa.quality import differences, intervals, window_losses
from labs.q06_gqa.sharing import (
    SHARED_WAYS,
    attend_native,
    attend_repeated,
    attend_tiled,
    created_bytes,
    decode_inputs,
    largest_differences,
    sentinel_reads,
)
from labs.tools import heldout
from labs.tools.interleaved import clock, interleaved, middle
from labs.tools.ranking import verdict
from labs.tools.seeds.judging import judged
from labs.tools.seeds.plans import check_size, plan_of
from labs.tools.seeds.training import Series, scored_rows, training_rows
from minimind_core.device import DTYPES

DECODE_SECONDS = {"cpu": 5.5, "cuda": 1.8, "mps": 4.0}
"""For all timings of one run together; building the models comes on top."""
LAYER_SECONDS = {"cpu": 2.0, "cuda": 0.5, "mps": 1.5}
SPECIMENS = {"mha": "nano-mha", "gqa": "nano-rope", "mqa": "nano-mqa"}
WINDOW = 256
"""Tokens of a scored window."""
SCORED_WINDOWS = 16
TRAINING_ROWS = 800
OPTIONS = ("mha", "repeat", "native")
"""The ways among which the slowest is asked for; the grouped product is shown beside them."""


def decode(params: DecodeParams, ctx: Context) -> Result:
    """Tokens a second of one decode step with 8, 2 and 1 KV heads over batches, and the ratios over MHA.

    Emits for each batch {"batch", "tokens_per_second", "speedup"}. "speedup" is the median over rounds of
    time of MHA / time of the variant, "spread" the quartiles. "sentence" has the lesson's three numbers.
    """
    ctx.progress(0.0, "Building the models")
    tokens, dtype = cached_tokens(params.tokens, ctx.device), DTYPES[ctx.dtype]
    batches = decode_batches(params.max_batch, tokens, ctx.device, dtype)
    made = untrained(analytic.VARIANTS.values(), ctx.device, dtype)
    models = dict(zip(analytic.VARIANTS, made, strict=True))
    ctx.progress(0.1, "Reading memory")
    bandwidth = read_bandwidth(ctx.device)
    seconds = DECODE_SECONDS.get(ctx.device, DECODE_SECONDS["cpu"]) / len(batches)
    speeds: dict[str, Any] = {name: {} for name in models}
    ratios: dict[str, Any] = {name: {} for name in analytic.SHARED}
    for place, batch in enumerate(batches):

        def told(share: float, place: int = place, batch: int = batch) -> None:
            ctx.progress(0.15 + 0.85 * (place + share) / len(batches), f"Decoding at batch {batch}")

        steps: dict[str, DecodeStep] = {}
        for name, model in models.items():
            told(0.0)
            steps[name] = DecodeStep(model, batch, tokens)
        times = interleaved({name: step.run for name, step in steps.items()}, ctx.device, seconds, told)
        for name, each in times.items():
            speeds[name][str(batch)] = middle([batch / second for second in each])
        for name in analytic.SHARED:
            pairs = zip(times["mha"], times[name], strict=True)
            ratios[name][str(batch)] = middle([full / shared for full, shared in pairs])
        ctx.emit(
            {
                "batch": batch,
                "tokens_per_second": {name: speeds[name][str(batch)] for name in speeds},
                "speedup": {name: ratios[name][str(batch)] for name in ratios},
            }
        )
        del steps
    byte_model = analytic.decode(DecodeParams(tokens=tokens))
    return {
        "tokens": tokens,
        "asked_tokens": params.tokens,
        "capped": tokens != params.tokens,
        "batches": batches,
        "dtype": ctx.dtype,
        "clock": clock(ctx.device),
        "graph": ctx.device == "cuda",
        "tokens_per_second": speeds,
        "speedup": {
            name: {batch: each["median"] for batch, each in row.items()} for name, row in ratios.items()
        },
        "spread": {
            name: {batch: {"low": each["low"], "high": each["high"]} for batch, each in row.items()}
            for name, row in ratios.items()
        },
        "byte_model": byte_model,
        "bandwidth": bandwidth,
        "byte_model_tokens_per_second": analytic.bounds(tokens, batches, bandwidth, BITS[ctx.dtype]),
        "sentence": {
            "said": analytic.SAID_SPEEDUP,
            "formula": byte_model["speedup"]["gqa"]["1"],
            "measured": ratios["gqa"]["1"]["median"],
            "batch": 1,
            "unit": "×",
            "low": ratios["gqa"]["1"]["low"],
            "high": ratios["gqa"]["1"]["high"],
        },
    }


def cache(params: CacheParams, ctx: Context) -> Result:
    """Prefill with a cache of the asked type, and add up the bytes of the tensors that hold it.

    With two KV heads it is the shipped 26M that reads, else an untrained model of its shape. "bytes" are
    measured on `run_batch` rows of `run_tokens` tokens, "formula" is of the same, "asked" of what was
    asked; they differ where a CPU stops earlier ("capped").
    """
    ctx.progress(0.0, "Preparing the model")
    check_live_type(params.cache_type)
    asked = analytic.cache(params)
    check_cache(asked["bytes"], ctx.device)
    tokens, rows = cached_tokens(params.tokens, ctx.device), prefill_rows(params, ctx.device)
    trained = params.kv_heads == analytic.VARIANTS["gqa"]
    model = (
        ctx.model(DEFAULT_MODEL).model
        if trained
        else untrained([params.kv_heads], ctx.device, DTYPES[ctx.dtype])[0]
    )
    caches = prefilled(model, rows, tokens, DTYPES[params.cache_type], ctx)
    tensors = [tensor for one in caches for tensor in (*one.keys, *one.values)]
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    run = CacheParams(kv_heads=params.kv_heads, tokens=tokens, batch=rows, cache_type=params.cache_type)
    formula = analytic.cache(run)
    return {
        **analytic.sizes(total),
        "per_token": total / (tokens * rows),
        "kv_heads": params.kv_heads,
        "run_tokens": tokens,
        "run_batch": rows,
        "cache_type": params.cache_type,
        "tensors": len(tensors),
        "shape": list(tensors[0].shape),
        "capped": (tokens, rows) != (params.tokens, params.batch),
        "model": DEFAULT_MODEL if trained else "untrained",
        "equal": total == formula["bytes"],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "formula": formula,
        "asked": asked,
        "sentence": {
            "said": asked["megabytes"] / 2,
            "formula": formula["megabytes"],
            "measured": total / analytic.MEGA,
            "unit": "MB",
        },
    }


def wiring(params: WiringParams, ctx: Context) -> Result:
    """Which KV head each query head reads, told by sentinel values, and how far the wrong order is off."""
    ctx.progress(0.0, "Following the heads")
    check_cache(analytic.cache_bytes(params.kv_heads, params.tokens, 1, 32), ctx.device)
    ways = {"grouped": attend_repeated, "tiled": attend_tiled, "native": attend_native}
    inputs = decode_inputs(
        params.kv_heads, 1, params.tokens, seed=params.seed, device=ctx.device, dtype=torch.float32
    )
    reads = {}
    for name, way in ways.items():
        reads[name] = sentinel_reads(way, params.kv_heads, params.tokens, ctx.device)
        ctx.check_cancelled()
    outputs = {name: way(*inputs)[0, :, 0] for name, way in ways.items()}  # [H, D]
    apart = (outputs["tiled"] - outputs["grouped"]).abs()
    return {
        "kv_heads": params.kv_heads,
        "tokens": params.tokens,
        **reads,
        "difference": float(apart.max()),
        "difference_by_head": apart.amax(-1).tolist(),
        "formula": analytic.wiring(params),
        "equal": reads["grouped"] == reads["native"],
    }


def layer(params: LayerParams, ctx: Context) -> Result:
    """One decode step of one attention layer: plain MHA, and shared heads in three ways.

    "milliseconds" by way with spread; "relative" to MHA, round by round; "extra_bytes" that a call asks
    for; "differences" from repetition; "slowest" among the ways of the prediction.
    """
    ctx.progress(0.0, "Filling the cache")
    dtype, tokens = DTYPES[ctx.dtype], cached_tokens(params.tokens, ctx.device)
    check_cache(2 * analytic.cache_bytes(QUERY_HEADS, tokens, params.batch, BITS[ctx.dtype]) // 8, ctx.device)
    settings: dict[str, Any] = {"seed": params.seed, "device": ctx.device, "dtype": dtype}
    full = decode_inputs(QUERY_HEADS, params.batch, tokens, **settings)
    shared = decode_inputs(params.kv_heads, params.batch, tokens, **settings)
    ctx.progress(0.2, "Comparing the results")
    with torch.inference_mode():
        apart = largest_differences(shared)
        ways: dict[str, Callable[[], object]] = {"mha": partial(attend_native, *full)}
        ways |= {name: partial(way, *shared) for name, way in SHARED_WAYS.items()}
        times = interleaved(
            ways,
            ctx.device,
            LAYER_SECONDS.get(ctx.device, LAYER_SECONDS["cpu"]),
            lambda share: ctx.progress(0.3 + 0.7 * share, "Timing"),
        )
        extra = {name: created_bytes(way) for name, way in ways.items()}
    typical = {name: middle([1000 * second for second in each]) for name, each in times.items()}
    relative = {
        name: middle([one / mha for one, mha in zip(each, times["mha"], strict=True)])
        for name, each in times.items()
    }
    return {
        "kv_heads": params.kv_heads,
        "batch": params.batch,
        "tokens": tokens,
        "dtype": ctx.dtype,
        "capped": tokens != params.tokens,
        "clock": clock(ctx.device),
        "milliseconds": typical,
        "relative": relative,
        "extra_bytes": extra,
        "differences": apart,
        **analytic.layer(params),
        "slowest": max(OPTIONS, key=lambda name: relative[name]["median"]),
    }


def quality(params: QualityParams, ctx: Context) -> Result:
    """Held-out loss of the MHA, GQA and MQA specimens (one recipe, one seed each) with bootstrap intervals.

    "verdict" is "unresolved" unless the best interval lies below all others; even then it is one seed.
    """
    losses, parameters = {}, {}
    ctx.progress(0.0, "Reading text")
    tokenizer = ctx.model(SPECIMENS["mha"]).tokenizer  # the same for all three
    rows = heldout.windows(tokenizer, heldout.held_out(params.text), params.windows, WINDOW, params.seed)
    for place, (name, specimen) in enumerate(SPECIMENS.items()):
        ctx.progress(place / 3, f"Loading {specimen}")
        loaded = ctx.model(specimen)
        parameters[name] = sum(parameter.numel() for parameter in loaded.model.parameters())

        def told(share: float, place: int = place, specimen: str = specimen) -> None:
            ctx.progress((place + share) / 3, f"Reading with {specimen}")

        losses[name] = window_losses(loaded.model, rows, told)
        ctx.emit({"variant": name, "loss": float(losses[name].mean())})
    means = {name: float(values.mean()) for name, values in losses.items()}
    spans = intervals(losses, params.seed)
    return {
        "loss": means,
        "interval": spans,
        "perplexity": {name: math.exp(loss) for name, loss in means.items()},
        "perplexity_interval": {
            name: {end: math.exp(loss) for end, loss in span.items()} for name, span in spans.items()
        },
        "differences": differences(losses, params.seed),
        "verdict": verdict(means, spans),
        "windows": len(rows),
        "window": WINDOW,
        "text": params.text,
        "parameters": parameters,
        "seeds": 1,
    }


def convert(params: ConvertParams, ctx: Context) -> Result:
    """Mean-pool the MHA specimen's heads to 4, 2 and 1, and train each on, and the unpooled one as well.

    Emits {"kv_heads", "step", "loss"} for every update. "perplexity" by KV heads: "before" and "after",
    on held-out text; "curves" the training losses, float32 [steps].
    """
    ctx.progress(0.0, "Loading nano-mha")
    loaded = ctx.model(SPECIMENS["mha"])
    scored = heldout.windows(loaded.tokenizer, heldout.held_out("both"), SCORED_WINDOWS, WINDOW, params.seed)
    rows = heldout.windows(loaded.tokenizer, heldout.training(), TRAINING_ROWS, LENGTH, params.seed)
    perplexities: dict[str, dict[str, float]] = {}
    curves: dict[str, Any] = {}
    for place, kv_heads in enumerate((QUERY_HEADS, 4, 2, 1)):
        model = pooled(loaded.model, kv_heads)

        def told(share: float, place: int = place, kv_heads: int = kv_heads) -> None:
            ctx.progress((place + share) / 4, f"{kv_heads} KV heads")

        before = window_losses(model, scored, lambda share: told(0.1 * share))
        curve = []
        for record in uptrained(model, rows, params.steps, params.learning_rate):
            curve.append(record.loss)
            ctx.emit({"kv_heads": kv_heads, "step": record.step, "loss": record.loss})
            told(0.1 + 0.8 * len(curve) / params.steps)
        after = window_losses(model, scored, lambda share: told(0.9 + 0.1 * share)) if curve else before
        perplexities[str(kv_heads)] = {"before": math.exp(before.mean()), "after": math.exp(after.mean())}
        curves[str(kv_heads)] = np.array(curve, np.float32)
    return {
        "perplexity": perplexities,
        "curves": curves,
        "steps": params.steps,
        "windows": len(scored),
        "training_tokens": params.steps * BATCH_SIZE * LENGTH,
        "learning_rate": params.learning_rate,
    }


def seeds(params: SeedsParams, ctx: Context) -> Result:
    """Train MHA, GQA and MQA models from scratch from several seeds each, and read held-out text with all.

    Emits {"kind", "seed", "loss"} for every finished model. "loss" by kind, one number a seed; "judged" says
    what they say (`labs/tools/seeds/judging.py`), and where ranges overlap its "verdict" is "unresolved".
    """
    check_size(params.size, ctx.device)
    ctx.progress(0.0, "Reading text")
    plan, steps = plan_of(params.size, ctx.device), params.steps_on(ctx.device)
    tokenizer, length = ctx.model(plan.tokenizer).tokenizer, plan.config.max_length
    scored = scored_rows(tokenizer, params.text, plan, length)
    kinds = {
        name: plan.config.replace(num_kv_heads=min(heads, plan.config.num_heads))
        for name, heads in analytic.VARIANTS.items()
    }
    rows = training_rows(tokenizer, params.text, plan, steps, ctx.check_cancelled)
    series = Series(plan, kinds, params.seeds, steps, rows)
    losses: dict[str, list[float]] = {name: [] for name in kinds}
    for one in series.models(ctx):
        each = window_losses(one.model, scored, lambda _share: ctx.check_cancelled())
        losses[one.kind].append(float(each.mean()))
        ctx.emit({"kind": one.kind, "seed": one.seed, "loss": losses[one.kind][-1]})
    return {
        **series.described(),
        "loss": losses,
        "judged": judged(losses),
        "text": params.text,
        "scored_tokens": len(scored) * length,
    }
