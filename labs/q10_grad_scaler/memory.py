"""Bytes of a training step of the 26M's shape, tensor by tensor, by way of computing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from labs.contract import Context, Counts, DeviceClass, Experiment, Numbers, Params, Row, Shown, Words, whole
from labs.contract.drawing import Figure, Role
from labs.tools.budgets import PerDevice
from minimind_core.model.config import ModelConfig

SHAPE = ModelConfig()
WAYS = ("fp32", "fp16", "bf16", "pure_bf16")
"""Autocast to FP16 or BF16 or none; `pure_bf16` has BF16 weights and no autocast."""
TOKENS_RUN = PerDevice(cpu=256, cuda=2**30)
"""Of a micro-batch whose bytes are counted; every further row is exactly as large."""
PARTS: dict[str, Role] = {"states": "peer", "casts": "said", "activations": "measured"}
MEGA = 10**6
SAID_PERCENT = 50
MOST_TOKENS = 16_384


@dataclass(frozen=True)
class MemoryParams(Params):
    """One micro-batch, whose bytes are counted."""

    batch: int = whole(8, 1, 32, primary=True)
    length: int = whole(128, 32, 512, unit="tokens", primary=True)


class Batch(TypedDict):
    """The bytes of one micro-batch by way: "casts", "activations" and on a GPU CUDA's "peak".

    `saved` is what each way saves against FP32 in percent, `saved_percent` FP16 autocast: of the peak where
    there is one, else of all counted bytes.
    """

    tokens: int
    bytes: dict[str, Counts]
    saved: Numbers
    saved_percent: float


class MemoryResult(TypedDict):
    """Bytes of the states by way, and two micro-batches: one row of 128 tokens, and the chosen one."""

    states: dict[str, Counts]
    counted_by: str
    small_batch: Batch
    chosen: Batch


class Memory(Experiment[MemoryParams, MemoryResult]):
    """The byte ledger, and what mixed precision saves."""

    def seconds(self, params: MemoryParams, device: DeviceClass) -> float:
        tokens = params.batch * params.length
        return PerDevice(cpu=5 + min(tokens, 1024) / 200, cuda=3 + tokens / 16384).on(device)

    def measure(self, params: MemoryParams, ctx: Context) -> MemoryResult:
        import torch

        from labs.q10_grad_scaler.backward_passes import autocast_dtype
        from labs.tools.byte_ledger import batch_bytes, states_after_step
        from labs.tools.models import untrained

        ctx.progress(0.0, "building")
        model, tokens = untrained(SHAPE, ctx.device), TOKENS_RUN.on(ctx.device)
        shapes = {"small_batch": (1, 128), "chosen": (params.batch, params.length)}
        states: dict[str, Counts] = {}
        kept: dict[str, dict[str, Counts]] = {name: {} for name in shapes}
        for way, part in ctx.parts(WAYS):
            on_progress = part("counting", way=way.replace("_", " ").upper())
            if way == "pure_bf16":
                model = model.to(torch.bfloat16)
            dtype = autocast_dtype(way)
            states[way] = states_after_step(model, dtype)
            on_progress(0.5)
            for name, shape in shapes.items():
                kept[name][way] = batch_bytes(model, *shape, dtype, tokens, ctx.check_cancelled)
        return {
            "states": states,
            "counted_by": "peak" if "peak" in kept["chosen"]["fp32"] else "tensors",
            "small_batch": _batch(states, kept["small_batch"], 128),
            "chosen": _batch(states, kept["chosen"], params.batch * params.length),
        }

    def show(self, result: MemoryResult, text: Words) -> Shown:
        states = {way: sum(parts.values()) for way, parts in result["states"].items()}
        rows: list[Row] = [
            {
                text("way"): text(f"variant.{way}"),
                **{
                    text(f"part.{part}"): size / MEGA
                    for part, size in (result["states"][way] | result["chosen"]["bytes"][way]).items()
                    if part not in ("counters", "peak")
                },
                text("saved"): result["chosen"]["saved"][way],
            }
            for way in WAYS
        ]
        small = result["small_batch"]
        same = [text("note.states", bytes=states["fp32"])] if states["fp32"] == states["fp16"] else []
        return Shown(
            {"ledger": _ledger(result, states, text), "saved": _saved(result, states, text)},
            rows,
            [text("memory.sentence", tokens=small["tokens"]), *same, text(f"note.by_{result['counted_by']}")],
            {text("axis.saved"): result["chosen"]["saved_percent"]},
            sentence={
                "said": SAID_PERCENT,
                "formula": float(_counted(result, states, small["tokens"])),
                "measured": small["saved_percent"],
                "unit": "%",
            },
        )


def _batch(states: Mapping[str, Mapping[str, int]], kept: dict[str, Counts], tokens: int) -> Batch:
    most = {
        way: parts.get("peak", sum(states[way].values()) + sum(parts.values())) for way, parts in kept.items()
    }
    saved = {way: 100 * (1 - size / most["fp32"]) for way, size in most.items()}
    return {"tokens": tokens, "bytes": kept, "saved": saved, "saved_percent": saved["fp16"]}


def _ledger(result: MemoryResult, states: Mapping[str, int], text: Words) -> Figure:
    """The chosen micro-batch by part, with CUDA's peak where there is one."""
    figure, kept = Figure(barmode="stack"), result["chosen"]["bytes"]
    names, hover = [text(f"variant.{way}") for way in WAYS], "%{y}: %{x:,.5g} MB"
    for part, role in PARTS.items():
        sizes = [(states[way] if part == "states" else kept[way][part]) / MEGA for way in WAYS]
        labels = [f"{size:,.0f}" if size else "" for size in sizes]
        name = text(f"part.{part}")
        figure.bars(sizes, names, role, name, hover=hover, labels=labels, inside=True, horizontal=True)
    if result["counted_by"] == "peak":
        peaks = [kept[way]["peak"] / MEGA for way in WAYS]
        figure.marks(peaks, names, "formula", text("peak"), hover=hover, symbol="line-ns-open", size=20)
    figure.x_axis(text("axis.megabytes"))
    figure.y_axis(category=True, reverse=True)
    return figure


def _counted(result: MemoryResult, states: Mapping[str, int], tokens: Any) -> Any:
    """What FP16 autocast saves of all counted bytes with so many tokens, in percent: number or array."""
    kept, per_token = result["chosen"]["bytes"], tokens / result["chosen"]["tokens"]
    fp32, fp16 = (
        states[way] + kept[way]["casts"] + kept[way]["activations"] * per_token for way in ("fp32", "fp16")
    )
    return 100 * (1 - fp16 / fp32)


def _saved(result: MemoryResult, states: Mapping[str, int], text: Words) -> Figure:
    """Percent against tokens: as the bytes that each token keeps have it, as measured, as commonly said."""
    figure, hover = Figure(), "%{x:,}: %{y:.1f}%"
    tokens = np.unique(np.geomspace(32, MOST_TOKENS, 60).astype(int))
    figure.line(tokens, _counted(result, states, tokens), "formula", text("counted"), hover=hover)
    batches = (result["small_batch"], result["chosen"])
    figure.marks(
        [batch["tokens"] for batch in batches],
        [batch["saved_percent"] for batch in batches],
        "measured",
        text(f"by_{result['counted_by']}"),
        hover=hover,
        size=12,
    )
    figure.line([32, MOST_TOKENS], [SAID_PERCENT] * 2, "said", text("said"))
    figure.x_axis(text("axis.micro_tokens"), log=True)
    figure.y_axis(text("axis.saved"))
    return figure
