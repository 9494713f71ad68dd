"""Question 10 on the device: the window, the scaler, order bugs, four trainings, bytes, speed.

Each function is one experiment; their parts stand in the modules beside this one. Draws nothing.
"""

from __future__ import annotations

import torch

from labs import heldout
from labs.contract import Context, Result
from labs.q10_grad_scaler import analytic
from labs.q10_grad_scaler.cliff import cliff
from labs.q10_grad_scaler.params import WindowParams
from labs.q10_grad_scaler.passes import full_precision, grid, half_precision
from labs.q10_grad_scaler.specimens import specimen

EVERY = {"cuda": 1}
"""Powers of two between two FP16 backward passes, which a CPU does slowly; elsewhere 4."""
WINDOW_ROWS = {"cuda": (8, 128)}
"""Rows and their tokens; elsewhere one row of 12."""


def window(params: WindowParams, ctx: Context) -> Result:
    """The gradients of one batch in FP32, BF16 and FP16, and the cliff at the logits.

    "places" has the FP32 histogram of each linear layer for the summed loss; "fp16" and "bf16" count
    zeros, subnormals, normals and Inf by group at factors 2^e on that loss. "cliff" is measured with zero
    logits, and with the specimen's own.
    """
    ctx.progress(0.0, "Preparing the model")
    model = specimen(params.specimen, ctx)
    batch, length = WINDOW_ROWS.get(ctx.device, (1, 12))
    texts = heldout.held_out("code")[:1]
    rows = heldout.windows(ctx.model().tokenizer, texts, batch, length, 0).to(ctx.device)
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
        "specimen": params.specimen, "tokens": rows.shape[0] * length, "places": full["places"], **half,
        "loss": {"fp32": full["loss"]} | {name: each["loss"] for name, each in half.items()},
        "dtypes": {"fp32": full["dtypes"]} | {name: each["dtypes"] for name, each in half.items()},
        "cliff": cliff(own.clone(), rows[:, 1:].flatten()), "formula": analytic.window(params)["cliff"],
    }
