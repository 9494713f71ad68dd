"""The exact numbers of Question 10's results, row by row. No torch."""

from __future__ import annotations

from labs.contract import Result, Row, Text

TENSORS = ("logits", "loss", "grad_output", "parameter_grad")


def window(result: Result, text: Text) -> list[Row]:
    """The dtype of each tensor of a training step by precision, and the loss itself."""
    names = ("fp32", "bf16", "fp16")
    title, dtypes = text("q10.tensor"), result["dtypes"]
    rows: list[Row] = [{title: text(f"q10.tensor.{tensor}"),
                        **{name.upper(): dtypes[name][tensor] for name in names}} for tensor in TENSORS]
    losses = {name.upper(): f"{result['loss'][name]:.5f}".replace("nan", "NaN") for name in names}
    return [*rows, {title: text("q10.loss"), **losses}]
