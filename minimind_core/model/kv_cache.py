"""A static key/value cache: memory taken once, written at slots that are tensors.

Knows nothing of attention or of text. Keys are stored after RoPE and before any sharing over
query heads, so grouped-query models keep their saving.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from minimind_core.model.config import ModelConfig

EMPTY = -1
"""Position of a slot that holds nothing, or padding. Never visible."""


class StaticCache:
    """For each layer keys and values [B, num_kv_heads, capacity, head_dim], and the position in each slot.

    Fixed addresses and no host decision, so that a CUDA graph can replay the step that writes it. One
    tensor a layer, not one for all: torch.compile writes into a whole tensor in place, but copies all of
    it to write into a part.
    """

    def __init__(
        self,
        config: ModelConfig,
        batch_size: int,
        capacity: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        shape = (batch_size, config.num_kv_heads, capacity, config.head_dim)
        layers = range(config.num_layers)
        self.keys = [torch.zeros(shape, device=device, dtype=dtype) for _ in layers]
        self.values = [torch.zeros(shape, device=device, dtype=dtype) for _ in layers]
        self.positions = torch.full((batch_size, capacity), EMPTY, device=device)  # [B, S]
        self.rows = torch.arange(batch_size, device=device)[:, None]  # [B, 1]

    @property
    def capacity(self) -> int:
        """Tokens that a row can hold."""
        return self.positions.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes taken by keys and values, filled or not."""
        return sum(tensor.nbytes for tensor in [*self.keys, *self.values])

    def part(self, start: int, stop: int) -> StaticCache:
        """Rows start..stop-1 as a cache of their own that shares this one's memory."""
        part = copy.copy(self)
        part.keys, part.values = ([layer[start:stop] for layer in side] for side in (self.keys, self.values))
        part.positions, part.rows = self.positions[start:stop], self.rows[: stop - start]
        return part

    def first(self, length: int) -> StaticCache:
        """The first `length` slots of every row as a cache of their own that shares this one's memory."""
        first = copy.copy(self)
        first.keys, first.values = (
            [layer[:, :, :length] for layer in side] for side in (self.keys, self.values)
        )
        first.positions = self.positions[:, :length]
        return first

    def reset(self, rows: Sequence[int] | None = None) -> None:
        """Forget all rows, or only these: none of their slots is visible any more."""
        if rows is None:
            self.positions.fill_(EMPTY)
        else:
            self.positions[list(rows)] = EMPTY

    def fill(self, value: float) -> None:
        """Make every slot hold `value`, at the slot's own position: a full cache to time a step over."""
        for tensor in (*self.keys, *self.values):
            tensor.fill_(value)
        self.positions.copy_(torch.arange(self.capacity))

    def mark(self, slots: Tensor, positions: Tensor) -> None:
        """Note which position each slot [T] or [B, T] holds from now on; positions [T] or [B, T]."""
        rows = self.rows.shape[0]
        if slots.dim() == 1:
            self.positions.index_copy_(1, slots, positions.expand(rows, -1))
        else:
            self.positions.scatter_(1, slots, positions.expand_as(slots))

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Put keys, values [B, num_kv_heads, T, head_dim] of one layer into slots [T] or [B, T].

        Returns all keys and all values of that layer, [B, num_kv_heads, capacity, head_dim] each.
        """
        if slots.dim() == 1:  # every row writes the same slots
            self.keys[layer].index_copy_(2, slots, keys)
            self.values[layer].index_copy_(2, slots, values)
        else:
            # the slice between two index tensors moves the indexed axes first: [B, T, heads, D]
            self.keys[layer][self.rows, :, slots] = keys.transpose(1, 2)
            self.values[layer][self.rows, :, slots] = values.transpose(1, 2)
        return self.keys[layer], self.values[layer]

    def crop(self, length: int) -> None:
        """Forget every token at position `length` and later (a rejected draft, an edited prompt)."""
        self.positions.masked_fill_(self.positions >= length, EMPTY)
