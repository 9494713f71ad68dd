"""Silent bugs that sit in the weights: what was mixed up, lost or scaled on the way. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from minimind_core.model.minimind import MiniMind

LAYER = 3
"""The one that is hit where a bug sits in one layer only."""


def _other_head(model: MiniMind) -> None:
    """A head of its own that nobody has trained."""
    weight = model.head_weight.detach()
    noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)).to(weight)
    model.head = lambda hidden: F.linear(hidden, noise * weight.std())  # type: ignore[method-assign]


def _layers_swapped(model: MiniMind) -> None:
    layers = model.model.layers
    layers[LAYER], layers[LAYER + 1] = layers[LAYER + 1], layers[LAYER]


def _layer_left_out(model: MiniMind) -> None:
    layer = model.model.layers[LAYER]
    for weight in (layer.self_attn.o_proj.weight, layer.mlp.down_proj.weight):
        weight.zero_()


def _transposed(model: MiniMind) -> None:
    weight = model.model.layers[LAYER].self_attn.q_proj.weight
    weight.copy_(weight.T.clone())


def _final_norm_lost(model: MiniMind) -> None:
    model.model.norm = nn.Identity()


def _rows_off_by_one(model: MiniMind) -> None:
    weight = model.model.embed_tokens.weight
    weight.copy_(weight.roll(1, 0))


def _embedding_scaled(model: MiniMind) -> None:
    model.model.embed_tokens.register_forward_hook(lambda _m, _i, out: out * math.sqrt(out.shape[-1]))


WEIGHTS: dict[str, Callable[[MiniMind], None]] = {
    "head_not_tied": _other_head,
    "layers_swapped": _layers_swapped,
    "layer_left_out": _layer_left_out,
    "query_transposed": _transposed,
    "final_norm_lost": _final_norm_lost,
    "ids_off_by_one": _rows_off_by_one,
    "embedding_times_root": _embedding_scaled,
}
