"""What the engine keeps keys and values in: blocks behind a table, and chosen rows of any cache.

Both stand where the model expects a `StaticCache`. Which block belongs to whom is decided in `blocks.py`.

Shapes: B rows, S places of a row in M = S / N blocks of N = block_size, K num_kv_heads, D head_dim, T tokens.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from minimind_core.model.config import ModelConfig
from minimind_core.model.kv_cache import EMPTY, StaticCache


class PagedCache(StaticCache):
    """For each layer keys and values [blocks, K, N, D]; a row's places are those of the blocks in its table.

    One block more than `num_blocks` belongs to nobody: `tables` int64 [B, M] point there where a row has no
    block of its own, and rows without a request write into it.
    """

    def __init__(
        self,
        config: ModelConfig,
        batch_size: int,
        capacity: int,
        num_blocks: int,
        block_size: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        shape = (num_blocks + 1, config.num_kv_heads, block_size, config.head_dim)
        layers = range(config.num_layers)
        self.keys = [torch.zeros(shape, device=device, dtype=dtype) for _ in layers]
        self.values = [torch.zeros(shape, device=device, dtype=dtype) for _ in layers]
        self.block_size, self.nobody = block_size, num_blocks
        blocks = -(-capacity // block_size)
        self.tables = torch.full((batch_size, blocks), num_blocks, device=device)  # [B, M]
        self.positions = torch.full((batch_size, blocks * block_size), EMPTY, device=device)  # [B, S]
        self.rows = torch.arange(batch_size, device=device)[:, None]  # [B, 1]

    def part(self, start: int, stop: int) -> PagedCache:
        """As `StaticCache.part`."""
        part = copy.copy(self)
        part.tables, part.positions = self.tables[start:stop], self.positions[start:stop]
        part.rows = self.rows[: stop - start]
        return part

    def first(self, length: int) -> PagedCache:
        """At least the first `length` places of every row, in whole blocks; shares this one's memory."""
        first, blocks = copy.copy(self), -(-length // self.block_size)
        first.tables, first.positions = self.tables[:, :blocks], self.positions[:, : blocks * self.block_size]
        return first

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """As `StaticCache.write`, for slots [B, T]; what it returns is gathered, [B, K, S, D]."""
        return self.write_rows(self.tables, layer, slots, keys, values)

    def write_rows(
        self, tables: Tensor, layer: int, slots: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`write` for rows whose tables [B, M] are given."""
        block, place = tables.gather(1, slots // self.block_size), slots % self.block_size  # [B, T]
        # the slice between two index tensors moves the indexed axes first: [B, T, K, D]
        self.keys[layer][block, :, place] = keys.transpose(1, 2)
        self.values[layer][block, :, place] = values.transpose(1, 2)
        return _gathered(self.keys[layer], tables), _gathered(self.values[layer], tables)


def _gathered(blocks: Tensor, tables: Tensor) -> Tensor:
    """blocks [.., K, N, D] in the order of tables [B, M]: [B, M, K, N, D] -> [B, K, M * N, D]."""
    return blocks[tables].transpose(1, 2).flatten(2, 3)


class ChosenRows(StaticCache):
    """Rows of a cache, in any order, as a cache of their own for one forward; what is written, is in both.

    `rows` int64 [R]; `length` is how many places of each are looked at.
    """

    def __init__(self, cache: StaticCache, rows: Tensor, length: int) -> None:
        self.cache, self.length = cache, length
        self.rows = rows[:, None]  # [R, 1]
        if isinstance(cache, PagedCache):
            self.tables = cache.first(length).tables[rows]  # [R, M]

    def mark(self, slots: Tensor, positions: Tensor) -> None:
        """As `StaticCache.mark`, for slots and positions [R, T]."""
        self.cache.positions[self.rows, slots] = positions
        self.positions = self.cache.first(self.length).positions[self.rows[:, 0]]  # [R, S]

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """As `StaticCache.write`, for slots [R, T]."""
        if isinstance(self.cache, PagedCache):
            return self.cache.write_rows(self.tables, layer, slots, keys, values)
        all_keys, all_values = self.cache.keys[layer], self.cache.values[layer]
        all_keys[self.rows, :, slots] = keys.transpose(1, 2)
        all_values[self.rows, :, slots] = values.transpose(1, 2)
        rows = self.rows[:, 0]
        return all_keys[rows, :, : self.length], all_values[rows, :, : self.length]
