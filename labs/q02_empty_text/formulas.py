"""Which loss on which batch makes weights NaN, by counting alone. No torch."""

from __future__ import annotations

FORMULAS = (
    "masked_mean",
    "per_sample",
    "ignore_index",
    "step_count",
    "clamped",
    "epsilon",
    "disconnected_zero",
)
"""As `losses.py` writes them."""
PRECISIONS = ("fp32", "bf16", "fp16")
"""Of autocast; FP16 goes through a gradient scaler, as trainers do it."""


def is_poisonous(formula: str, rows: int, rows_without_target: int) -> bool:
    """Whether the gradient is NaN: a denominator of zero that the mask's product is divided by."""
    if formula == "per_sample":
        return rows_without_target > 0
    return formula == "masked_mean" and rows_without_target == rows


def nan_weights(poisonous: bool, precision: str, clip: bool, parameters: int, spared: int) -> int:
    """Weights that AdamW makes NaN of `parameters`.

    `spared` are the embedding's entries that no id of the batch looks up, where the head has a matrix of its
    own: a NaN norm multiplies them as well, so clipping spares none. FP16's scaler skips the step.
    """
    if not poisonous or precision == "fp16":
        return 0
    return parameters if clip else parameters - spared
