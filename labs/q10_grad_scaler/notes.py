"""Sentences below the figures of Question 10: exact readings, and what is easily overlooked."""

from __future__ import annotations

import math

from labs.contract.columns import Result, Text
from labs.q10_grad_scaler.words import percent, raised


def window(result: Result, text: Text) -> list[str]:
    """What FP16 itself did at the nearest factor, what the scaler would do, and a spoilt forward pass."""
    view, losses = result["view"], result["loss"]
    at, bad = view["nearest_place"], view["nonfinite_gradients"]
    values = {kind: percent(100 * shares[at]) for kind, shares in view["measured"].items()}
    notes = [text("q10.note.measured") % {**values, "exponent": raised(view["nearest"])}]
    if math.isnan(losses["fp16"]):
        return [*notes, text("q10.note.forward") % losses]
    if bad:
        key = "q10.note.hidden" if result["fp16"]["hooks_finite"][at] else "q10.note.skips"
        notes.append(text(key) % {"count": f"{bad:,}"})
    return notes


def scaler(result: Result, text: Text) -> list[str]:
    """Too large a first scale, and what happens when it has decayed to zero."""
    notes = [text("q10.note.expect")] if result["expect_overflow"] else []
    if "formula" in result:
        notes.append(text("q10.note.equal" if result["equal"] else "q10.note.unequal"))
        notes += [text("q10.note.spoilt")] if result["weight_is_nan"] else []
    return notes


def orders(result: Result, text: Text) -> list[str]:
    """That powers of two cost nothing, and why FP16 parameters are refused."""
    exact = [text("q10.note.exact")] if result["scaling_is_exact"] else []
    return [*exact, text("q10.note.refused") % result["orders"]["fp16_parameters"]["error"]]


def duel(result: Result, text: Text) -> list[str]:
    """The harm in numbers."""
    values = {name: f"{result[name]:,}" for name in ("tokens", "parameters", "tokens_a_step")}
    return [
        text("q10.note.harm")
        % {**values, "harm": result["harm_without_scaler"], "zeros": result["zero_percent"]["fp16"]}
    ]


def memory(result: Result, text: Text) -> list[str]:
    """That the states do not change, and how it was counted."""
    states = {name: sum(parts.values()) for name, parts in result["states"].items()}
    same = [text("q10.note.states") % f"{states['fp32']:,}"] if states["fp32"] == states["fp16"] else []
    return [*same, text(f"q10.note.by_{result['counted_by']}")]


def speed(result: Result, text: Text) -> list[str]:
    """What FP16 gains for both batches, what the scaler adds, and the price in digits."""
    errors, gains = (
        result["gradient_error"],
        {batch: result[f"{batch}_batch"]["gain"] for batch in ("small", "large")},
    )
    return [
        text("q10.note.gain") % {**gains, "overhead": result["scaler_overhead_percent"]},
        text("q10.note.price") % {"times": errors["bf16"] / errors["fp16"]},
    ]
