"""Keys and values in few bits: packed with a scale and a lowest value a group, and read back. Imports torch.

Asymmetric and rounded to nearest, along a token or along a channel, as KIVI does it (Liu et al. 2024). The
model computes on in its own dtype with what it reads back, so quality and bytes are measured and not speed.

Shapes: B rows, K KV heads, T tokens, D head_dim, g numbers that share a scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labs.tools.models import hooked
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind

Axis = Literal["token", "channel"]
"""What shares a scale: neighbouring channels of one token, or neighbouring tokens of one channel."""
Rounding = Callable[[Tensor], Tensor]
"""Takes keys or values [B, K, T, D] and gives what a cache in few bits gives back."""


class Packed(NamedTuple):
    """Groups of g numbers: codes uint8 [N, g * bits / 8], step and lowest value fp16 [N, 1]."""

    codes: Tensor
    step: Tensor
    lowest: Tensor

    @property
    def nbytes(self) -> int:
        """Of all three."""
        return self.codes.nbytes + self.step.nbytes + self.lowest.nbytes


def pack(groups: Tensor, bits: int) -> Packed:
    """groups [N, g], g of whole bytes -> each on 2^bits levels from its lowest to its largest number.

    >>> pack(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), bits=2).codes
    tensor([[228]], dtype=torch.uint8)
    """
    top = 2**bits - 1
    lowest = groups.amin(1, keepdim=True).half()
    step = ((groups.amax(1, keepdim=True) - lowest) / top).half()
    step = step.masked_fill(step == 0, 1.0)
    codes = ((groups - lowest.to(groups.dtype)) / step.to(groups.dtype)).round().clamp(0, top)
    shifts = torch.arange(0, 8, bits, device=groups.device)  # of the numbers that share a byte
    together = codes.long().view(len(groups), -1, len(shifts)) << shifts
    return Packed(together.sum(-1).to(torch.uint8), step, lowest)


def unpack(packed: Packed, bits: int) -> Tensor:
    """What `pack` kept, fp32 [N, g]."""
    shifts = torch.arange(0, 8, bits, device=packed.codes.device)
    codes = (packed.codes.long()[..., None] >> shifts) & (2**bits - 1)
    return codes.flatten(1).float() * packed.step.float() + packed.lowest.float()


def grouped(x: Tensor, axis: Axis, group: int) -> Tensor:
    """x [B, K, T, D] -> [N, group], the groups of an axis whose length they divide."""
    along = x if axis == "token" else x.transpose(2, 3)
    return along.reshape(-1, group)


def ungrouped(groups: Tensor, like: Tensor, axis: Axis) -> Tensor:
    """The inverse of `grouped`, in the shape and dtype of `like`."""
    if axis == "token":
        return groups.view(like.shape).to(like.dtype)
    return groups.view(like.transpose(2, 3).shape).transpose(2, 3).to(like.dtype)


def rounding(bits: int, axis: Axis, group: int) -> Rounding:
    """Packs and reads back."""
    return lambda x: ungrouped(unpack(pack(grouped(x, axis, group), bits), bits), x, axis)


class RoundingCache(StaticCache):
    """A cache that rounds what it is given after RoPE; None leaves a side as it is."""

    rounds: tuple[Rounding | None, Rounding | None] = (None, None)

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """See StaticCache."""
        new = [
            x if round_ is None else round_(x) for round_, x in zip(self.rounds, (keys, values), strict=True)
        ]
        return super().write(layer, slots, *new)


@contextmanager
def keys_rounded_before_rope(model: MiniMind, round_keys: Rounding | None) -> Iterator[None]:
    """While this is open, keys are rounded where they leave their norm, before they are rotated."""
    layers = model.model.layers if round_keys is not None else ()

    def rounded(_module: nn.Module, _args: object, keys: Tensor) -> Tensor:
        """Keys are [B, T, K, D] there."""
        assert round_keys is not None
        return round_keys(keys.transpose(1, 2)).transpose(1, 2)

    with hooked(layer.self_attn.k_norm.register_forward_hook(rounded) for layer in layers):
        yield


@torch.inference_mode()
def read(
    model: MiniMind,
    rows: Tensor,
    on_progress: Callable[[float], None],
    keys: Rounding | None = None,
    values: Rounding | None = None,
    *,
    before_rope: bool = False,
) -> list[Tensor]:
    """Log-probabilities of the next token after each of rows int64 [N, T], fp32 [T, V] a row.

    Every token attends to what the cache gives back, its own key and value included.
    """
    length, found = rows.shape[1], []
    positions = torch.arange(length, device=rows.device)
    with keys_rounded_before_rope(model, keys if before_rope else None):
        for number, row in enumerate(rows):
            on_progress(number / len(rows))
            cache = RoundingCache(model.config, 1, length, model.device, model.dtype)
            cache.rounds = (None if before_rope else keys, values)
            found.append(F.log_softmax(model(row[None], positions, cache=cache)[0].float(), -1))
    return found


@torch.inference_mode()
def cache_bytes(model: MiniMind, length: int, bits: int, group: int) -> int:
    """Bytes of the keys and values of so many tokens, packed; counted on tensors of the cache's shape."""
    config = model.config
    one = torch.zeros(1, config.num_kv_heads, length, config.head_dim)
    return 2 * config.num_layers * pack(grouped(one, "token", group), bits).nbytes
