"""The exact numbers of Question 10's results, row by row. No torch."""

from __future__ import annotations

from labs.contract.columns import Result, Row, Text
from labs.q10_grad_scaler.analytic import MEGA
from labs.q10_grad_scaler.figures_costs import VARIANTS, WAYS
from labs.q10_grad_scaler.figures_steps import ARMS

TENSORS = ("logits", "loss", "grad_output", "parameter_grad")


def window(result: Result, text: Text) -> list[Row]:
    """The dtype of each tensor of a training step by precision, its loss, and what a weight of 1 absorbs."""
    names = ("fp32", "bf16", "fp16")
    title, dtypes = text("q10.tensor"), result["dtypes"]
    rows: list[Row] = [
        {title: text(f"q10.tensor.{tensor}"), **{name.upper(): dtypes[name][tensor] for name in names}}
        for tensor in TENSORS
    ]
    losses = {name.upper(): f"{result['loss'][name]:.5f}".replace("nan", "NaN") for name in names}
    absorbed = {name.upper(): f"{result['swallowed'][name]:.3g}" for name in names}
    return [*rows, {title: text("q10.loss"), **losses}, {title: text("q10.swallowed"), **absorbed}]


def orders(result: Result, text: Text) -> list[Row]:
    """What each order handed to the optimizer, and what the library said."""
    rows: list[Row] = []
    for name, each in result["orders"].items():
        norm, error = (
            (f"{each['norm']:.4g}", f"{100 * each['relative_error']:.3g}") if each["ran"] else ("–", "–")
        )
        rows.append(
            {
                text("q10.order"): text(f"q10.order.{name}"),
                text("q10.axis.norm"): norm,
                text("q10.relative_error"): error,
                text("q10.library"): each["error"] or "–",
            }
        )
    return rows


def duel(result: Result, text: Text) -> list[Row]:
    """Loss at the end, zero gradients and skipped steps of each training."""
    return [
        {
            text("q10.way"): text(f"q10.arm.{name}"),
            text("q10.axis.loss"): result["final_loss"][name],
            text("q10.axis.zero_gradients"): result["zero_percent"][name],
            text("q10.skipped"): result["skipped"][name],
        }
        for name in ARMS
    ]


def memory(result: Result, text: Text) -> list[Row]:
    """The ledger of the chosen micro-batch in megabytes."""
    rows: list[Row] = []
    for name in VARIANTS:
        parts = result["states"][name] | result["chosen"]["bytes"][name]
        sizes = {
            text(f"q10.part.{part}"): size / MEGA
            for part, size in parts.items()
            if part not in ("counters", "peak")
        }
        rows.append(
            {
                text("q10.way"): text(f"q10.variant.{name}"),
                **sizes,
                text("q10.saved"): result["chosen"]["saved"][name],
            }
        )
    return rows


def speed(result: Result, text: Text) -> list[Row]:
    """Milliseconds by way, for both batches, with quartiles."""
    rows: list[Row] = []
    for way in WAYS:
        if way in result["large_batch"]["milliseconds"]:
            spans = {batch: result[batch]["spread"][way] for batch in ("small_batch", "large_batch")}
            times = {
                text(f"q10.{batch}"): f"{span['median']:.4g} ({span['low']:.4g}–{span['high']:.4g})"
                for batch, span in spans.items()
            }
            rows.append({text("q10.way"): text(f"q10.way.{way}"), **times})
    return rows
