"""Question 10 on the device: the window, the scaler, order bugs, four trainings, bytes, speed.

Each function is one experiment; their parts stand in the modules beside this one. Draws nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from labs.contract.columns import Context, Result
from labs.q10_grad_scaler import analytic, ledger, ordering
from labs.q10_grad_scaler.cliff import cliff
from labs.q10_grad_scaler.dueling import ARMS, Arm
from labs.q10_grad_scaler.limits import batch_of, batches_of, counted_rows, random_rows
from labs.q10_grad_scaler.params import (
    DuelParams,
    MemoryParams,
    OrdersParams,
    ScalerParams,
    SpeedParams,
    WindowParams,
)
from labs.q10_grad_scaler.passes import full_precision, grid, half_precision, swallowed
from labs.q10_grad_scaler.scaling import gradients_of, new_scaler, traced
from labs.q10_grad_scaler.specimens import copied, specimen
from labs.q10_grad_scaler.stepping import TrainingStep, gradient_errors
from labs.tools import heldout
from labs.tools.interleaved import clock, interleaved, middle
from labs.tools.untrained import untrained
from minimind_core.device import DTYPES
from minimind_core.model.config import PRESETS, ModelConfig

EVERY = {"cuda": 1}
"""Powers of two between two FP16 backward passes, which a CPU does slowly; elsewhere 4."""
SMALL_MODEL = "nano-rope"
MICRO_LENGTH = 64
LAST_STEPS = 5
"""Steps at the end of a duel that its losses are averaged over."""
SMALL = MemoryParams(batch=1, length=128)
SPEED_SECONDS = {"cuda": 1.5}
"""For all timings of one batch; elsewhere 6."""


def window(params: WindowParams, ctx: Context) -> Result:
    """The gradients of one batch in FP32, BF16 and FP16, and the cliff at the logits.

    "places" has the FP32 histogram of each linear layer for the summed loss; "fp16" and "bf16" count
    zeros, subnormals, normals and Inf by group at factors 2^e on that loss. "cliff" is measured with zero
    logits, and with the specimen's own.
    """
    ctx.progress(0.0, "Preparing the model")
    model, batch = specimen(params.specimen, ctx), batch_of("window", ctx.device)
    texts = heldout.held_out("code")[:1]
    rows = heldout.windows(ctx.model().tokenizer, texts, batch.rows, batch.length, 0).to(ctx.device)
    ctx.progress(0.1, "FP32")
    full = full_precision(model, rows)
    half = {}
    exponents = grid(params.every or EVERY.get(ctx.device, 4))
    for start, name, factors in ((0.15, "bf16", [0]), (0.2, "fp16", exponents)):

        def told(share: float, start: float = start, name: str = name) -> None:
            ctx.progress(start + 0.7 * share, f"{name.upper()} backward pass")

        half[name] = half_precision(model, rows, name, factors, told)
    ctx.progress(0.92, "Zero logits")
    with torch.inference_mode():
        own = model(rows[:, :-1]).flatten(0, 1)  # [B * T, V]
    return {
        "specimen": params.specimen,
        "tokens": len(own),
        "places": full["places"],
        **half,
        "loss": {"fp32": full["loss"]} | {name: each["loss"] for name, each in half.items()},
        "dtypes": {"fp32": full["dtypes"]} | {name: each["dtypes"] for name, each in half.items()},
        "swallowed": {name: swallowed(dtype) for name, dtype in DTYPES.items()},
        "cliff": cliff(own.clone(), rows[:, 1:].flatten()),
        "formula": analytic.window(params)["cliff"],
    }


def scaler(params: ScalerParams, ctx: Context) -> Result:
    """The real torch.amp.GradScaler step by step, beside the pure function that follows it.

    Arrays by step as in `analytic.scaler`, whose own are under "formula"; "equal" compares them all.
    """
    ctx.progress(0.0, "Stepping")

    def told(step: int) -> None:
        if step % 20 == 0:
            ctx.progress(step / params.steps, f"Step {step}")

    trace = traced(new_scaler(params), gradients_of(params), told)
    formula, measured = analytic.scaler(params), analytic.as_result(trace, params)
    arrays = ("scale", "tracker", "applied")
    return {
        **measured,
        "formula": formula,
        "weight_is_nan": trace[-1]["spoilt"],
        "equal": all(np.array_equal(measured[name], formula[name]) for name in arrays),
        "sentence": {
            "said": 1,
            "formula": formula["skipped_steps"],
            "measured": measured["skipped_steps"],
            "unit": "",
        },
    }


def orders(params: OrdersParams, ctx: Context) -> Result:
    """One optimizer step of a trained small model under FP16 autocast, in six orders of calls.

    "orders" has for each what the optimizer was handed and what the library said; "true_norm" is that of
    the FP32 gradient before clipping, "clipped_norm" after. Emits each order as it is done.
    """
    ctx.progress(0.0, f"Loading {SMALL_MODEL}")
    loaded = ctx.model(SMALL_MODEL)
    model, texts = copied(loaded.model), heldout.training("code")[:2]
    rows = heldout.windows(loaded.tokenizer, texts, params.accumulation, MICRO_LENGTH, 0).to(ctx.device)
    micro_batches, scale = rows.split(1), 2.0**params.scale_exponent
    ctx.progress(0.1, "FP32")
    true, before = ordering.true_gradient(model, micro_batches, params.clip_norm)
    exact = ordering.scaling_is_exact(model, rows, scale)
    found: dict[str, Any] = {}
    for place, name in enumerate(ordering.ORDERS):
        ctx.progress(0.2 + 0.8 * place / len(ordering.ORDERS), name)
        found[name] = ordering.tried(name, model, micro_batches, scale, params.clip_norm, true)
        ctx.emit({"order": name, **found[name]})
    return {
        "orders": found,
        "true_norm": before,
        "clipped_norm": ordering.norm(true),
        "accumulation": params.accumulation,
        "scale": scale,
        "clip_norm": params.clip_norm,
        "scaling_is_exact": exact,
    }


def duel(params: DuelParams, ctx: Context) -> Result:
    """Train in FP32, FP16 without and with scaler, and BF16, all advancing step by step together.

    Emits {"step", "losses", "scale"} for every step; "scale" has the scaler's after each.
    "harm_without_scaler" is the loss of plain FP16 less that of FP32, both over the last steps;
    "zero_percent" counts the last gradient's zeros.
    """
    ctx.progress(0.0, "Reading text")
    batch, full_size = batch_of("duel", ctx.device), ctx.device == "cuda"
    loaded = ctx.model(None if full_size else SMALL_MODEL)
    config = loaded.config if full_size else PRESETS["toy"]
    texts = heldout.training()[: None if full_size else 12]
    windows = heldout.windows(loaded.tokenizer, texts, batch.rows * params.steps, batch.length, params.seed)
    source = heldout.Stretches(windows, batch.rows)
    start = untrained(config, ctx.device, params.seed)
    arms = [Arm(name, start, params.learning_rate, 2**params.tokens_exponent) for name in ARMS]
    scaled = next(arm for arm in arms if arm.scaler.is_enabled())
    curves: dict[str, list[float]] = {arm.name: [] for arm in arms}
    for step in range(params.steps):
        rows = _whole_rows(source.batch(step)).to(ctx.device)
        for place, arm in enumerate(arms):
            ctx.progress((step + place / len(arms)) / params.steps, f"Step {step + 1}: {arm.name}")
            curves[arm.name].append(arm.step(rows).item())
        ctx.emit(
            {
                "step": step + 1,
                "losses": {name: curve[-1] for name, curve in curves.items()},
                "scale": scaled.scales[-1],
            }
        )
    final = {name: float(np.mean(curve[-LAST_STEPS:])) for name, curve in curves.items()}
    return {
        "curves": {name: np.array(curve, np.float32) for name, curve in curves.items()},
        "final_loss": final,
        "harm_without_scaler": final["fp16"] - final["fp32"],
        "steps": params.steps,
        "zero_percent": {arm.name: arm.zero_percent() for arm in arms},
        "tokens": 2**params.tokens_exponent,
        "skipped": {arm.name: arm.skipped for arm in arms},
        "scale": np.array(scaled.scales, np.float32),
        "tokens_a_step": batch.rows * batch.length,
        "parameters": sum(parameter.numel() for parameter in start.parameters()),
    }


def memory(params: MemoryParams, ctx: Context) -> Result:
    """Bytes of a training step of the 26M's shape, tensor by tensor, by way of computing.

    "chosen" is the micro-batch asked for and "small_batch" always one row of 128 tokens. "saved_percent"
    is of CUDA's own peak on a GPU, elsewhere of the counted bytes.
    """
    ctx.progress(0.0, "Building the model")
    model, states, shapes = untrained(ModelConfig(), ctx.device), {}, {"small_batch": SMALL, "chosen": params}
    found: dict[str, Any] = {where: {} for where in shapes}
    for place, (name, dtype) in enumerate(ledger.VARIANTS.items()):
        if name == "pure_bf16":
            model = model.to(torch.bfloat16)
        ctx.progress(place / 4, f"{name}: states")
        states[name] = ledger.states_after_step(model, random_rows(1, 8, ctx.device), dtype)
        for where, shape in shapes.items():
            ctx.progress((place + 0.5) / 4, f"{name}: activations")
            found[where][name] = ledger.whole_batch(
                model, shape, dtype, counted_rows(shape, ctx.device), ctx.check_cancelled
            )
            if ctx.device == "cuda":
                rows = random_rows(shape.batch, shape.length, ctx.device)
                found[where][name]["peak"] = ledger.cuda_peak(model, rows, dtype)
    return {
        "states": states,
        "formula": analytic.memory(params),
        "counted_by": "peak" if ctx.device == "cuda" else "tensors",
        **{where: analytic.saving(states, each, shapes[where]) for where, each in found.items()},
    }


def speed(params: SpeedParams, ctx: Context) -> Result:
    """Time of a training step by precision, in turn in one run, and the error that each makes.

    For each batch "milliseconds" by way with "spread"; of times, round by round, "gain" is FP32 over FP16
    with scaler, and "bf16_over_fp16" is without. "scaler_overhead_percent" is added to a large step.
    """
    ctx.progress(0.0, "Building the model")
    model, batches = untrained(ModelConfig(), ctx.device), batches_of("speed", ctx.device)
    errors = gradient_errors(model, random_rows(1, 16, ctx.device), lambda: ctx.progress(0.02, "Gradients"))
    found: dict[str, Any] = {}
    for place, name in enumerate(("small_batch", "large_batch")):
        asked = params.large_batch if name == "large_batch" else 0
        rows = random_rows(asked or batches[place].rows, batches[place].length, ctx.device)

        def told(share: float, place: int = place, name: str = name) -> None:
            ctx.progress(0.05 + 0.45 * (place + share), name)

        step = TrainingStep(model, rows)
        times = interleaved(step.ways(), ctx.device, SPEED_SECONDS.get(ctx.device, 6.0), told, min_rounds=3)
        spread = {way: middle([1000 * second for second in each]) for way, each in times.items()}
        found[name] = {
            "rows": len(rows),
            "length": rows.shape[1] - 1,
            "spread": spread,
            "milliseconds": {way: each["median"] for way, each in spread.items()},
            "gain": _ratio(times, "fp32", "fp16_scaler"),
            "bf16_over_fp16": _ratio(times, "bf16", "fp16"),
        }
    return {
        **found,
        "scaler_overhead_percent": 100 * (_ratio(times, "fp16_scaler", "fp16") - 1),
        "gradient_error": errors,
        "clock": clock(ctx.device),
    }


def _ratio(times: dict[str, list[float]], slow: str, quick: str) -> float:
    """The middle of the rounds' ratios."""
    return middle([one / other for one, other in zip(times[slow], times[quick], strict=True)])["median"]


def _whole_rows(batch: Any) -> Tensor:
    """Inputs and targets as the rows [B, T + 1] that they were cut from."""
    return torch.cat([batch.inputs, batch.targets[:, -1:]], 1)
