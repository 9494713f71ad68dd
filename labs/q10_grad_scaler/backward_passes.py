"""Backward passes of a model in each precision, the gradient at every linear layer looked at by hooks.

Hooks watch as one would in training; they change nothing. Imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from labs.contract import Context, Ints, OnProgress
from labs.tools.gradients import forward, gradients, targets_in
from labs.tools.models import copied, hooked, untrained
from minimind_core.model.feed_forward import FeedForward
from minimind_core.model.minimind import MiniMind

LOGITS = "logits"
OUTLIER_LAYER, OUTLIER_EXPONENT = 2, 20


def specimen(name: str, ctx: Context) -> MiniMind:
    """ "random", "trained" or "outlier", in the shape of the checkpoint that the user chose."""
    loaded = ctx.model()
    if name == "random":
        return untrained(loaded.config, ctx.device)
    model = copied(loaded.model)
    return outlier(model) if name == "outlier" else model


@torch.no_grad()
def outlier(model: MiniMind) -> MiniMind:
    """The same function, rewritten in place so that one block leaves the range of FP16.

    One layer's up projection is 2^20 times larger, its down projection as much smaller. Powers of two are
    exact, so FP32 and BF16 compute what they did before, bit for bit; in FP16 silu(gate) * up is Inf.
    """
    block = model.model.layers[min(OUTLIER_LAYER, model.config.num_layers - 1)].mlp
    for part in block.modules():
        if isinstance(part, FeedForward):  # the block itself, or each of its experts
            part.up_proj.weight *= 2.0**OUTLIER_EXPONENT
            part.down_proj.weight *= 2.0**-OUTLIER_EXPONENT
    return model


def autocast_dtype(way: str) -> torch.dtype | None:
    """What a way of computing casts to: "fp16", "fp16_scaler", "bf16"; None for all that cast nothing."""
    return {"fp16": torch.float16, "bf16": torch.bfloat16}.get(way.removesuffix("_scaler"))


class Passes(NamedTuple):
    """One forward pass and several backward passes.

    `places` has what was made of the gradient at each place, pass by pass, in the order of the model.
    `nonfinite` counts the elements of `.grad` that are Inf or NaN, which is all that the scaler looks at.
    """

    places: dict[str, list[Any]]
    nonfinite: list[int]
    loss: float
    dtypes: dict[str, str]


def backward_passes(
    model: MiniMind,
    rows: Tensor,
    way: str,
    look: Callable[[Tensor], Any],
    exponents: Sequence[int],
    on_progress: OnProgress,
) -> Passes:
    """A backward pass of the summed loss times 2^e for each exponent.

    `look` is given the gradient of the output of every nn.Linear, and of the logits: the head shares its
    matrix with the embedding and is no module.
    """
    layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    places: dict[str, list[Any]] = {name: [] for name in [*layers, LOGITS]}
    dtypes, nonfinite = {}, []

    def watch(name: str) -> Callable[..., None]:
        def on_backward(_module: nn.Module, _inputs: Any, outputs: tuple[Tensor, ...]) -> None:
            places[name].append(look(outputs[0]))
            dtypes["grad_output"] = outputs[0].dtype

        return on_backward

    with hooked(module.register_full_backward_hook(watch(name)) for name, module in layers.items()):
        logits, loss = forward(model, rows, autocast_dtype(way))
        logits.register_hook(lambda gradient: places[LOGITS].append(look(gradient)))
        for index, exponent in enumerate(exponents):
            on_progress(index / len(exponents))
            model.zero_grad(set_to_none=True)
            (loss * 2.0**exponent).backward(retain_graph=True)
            nonfinite.append(sum(int((~gradient.isfinite()).sum()) for gradient in gradients(model)))
    dtypes |= {"logits": logits.dtype, "loss": loss.dtype, "parameter_grad": gradients(model)[0].dtype}
    names = {tensor: str(dtype).removeprefix("torch.") for tensor, dtype in dtypes.items()}
    return Passes(places, nonfinite, loss.item() / targets_in(rows), names)


def by_group(places: dict[str, list[list[int]]]) -> dict[str, Ints]:
    """Counts [passes, kinds] of all places together, and of those in each group."""
    return {
        group: np.sum(
            [seen for name, seen in places.items() if group in ("all", group_of(name))], 0, np.int32
        )
        for group in ("all", *map(group_of, places))
    }


def group_of(name: str) -> str:
    """ "logits", or the number of the layer that a linear layer stands in.

    >>> group_of("model.layers.3.mlp.up_proj"), group_of(LOGITS)
    ('3', 'logits')
    """
    return next((part for part in name.split(".") if part.isdecimal()), LOGITS)
