"""What hooks see of a model while it reads: the shape of every step, layer by layer. Imports torch."""

from __future__ import annotations

import contextlib
from collections import Counter
from functools import partial

import torch
from torch import Tensor

from labs.q05_shapes.outline import STEPS, Matrix
from labs.q05_shapes.stepwise import Stepwise, attention_replaced
from minimind_core.model.minimind import MiniMind

Shapes = dict[str, list[int]]


def traced_shapes(model: MiniMind, ids: Tensor) -> tuple[list[Shapes], Tensor]:
    """One forward of ids int64 [B, T], attention written out: shapes of STEPS by layer, and the logits."""
    layers: list[Shapes] = [{} for _ in model.model.layers]
    embedded: Shapes = {}
    notes = iter([partial(_note, seen) for seen in layers])
    with contextlib.ExitStack() as hooks:
        hooks.enter_context(attention_replaced(model, lambda own: Stepwise(own, note=next(notes))))
        watched = [(model.model.embed_tokens, "", "embedding", embedded)]
        watched += [
            (layer.mlp.down_proj, "inner", "down", seen)
            for seen, layer in zip(layers, model.model.layers, strict=True)
        ]
        for module, before, after, seen in watched:
            handle = module.register_forward_hook(partial(_both_sides, seen, before, after))
            hooks.callback(handle.remove)
        logits = model(ids)  # [B, T, V]
    whole = embedded | {"logits": list(logits.shape)}
    return [{step: (seen | whole)[step] for step in STEPS} for seen in layers], logits


def count_kinds(model: MiniMind) -> list[Matrix]:
    """The weights of a model by the name of their module, in its own order; a tied matrix counts once."""
    shapes: dict[str, torch.Size] = {}
    copies, weights = Counter[str](), Counter[str]()
    for name, parameter in model.named_parameters():
        module = name.split(".")[-2]
        kind = "norm" if module.endswith("norm") else module
        shapes.setdefault(kind, parameter.shape)
        copies[kind] += 1
        weights[kind] += parameter.numel()
    return [
        {"name": kind, "shape": list(shape), "copies": copies[kind], "weights": weights[kind]}
        for kind, shape in shapes.items()
    ]


def _note(seen: Shapes, step: str, tensor: Tensor) -> None:
    seen[step] = list(tensor.shape)


def _both_sides(
    seen: Shapes, before: str, after: str, _module: object, inputs: tuple[Tensor, ...], output: Tensor
) -> None:
    """A forward hook that notes what goes into a module and what comes out."""
    _note(seen, before, inputs[0])
    _note(seen, after, output)
