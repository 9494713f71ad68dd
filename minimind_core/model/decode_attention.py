"""Attention of one new token a row over a static cache, as one Triton kernel: CUDA only.

A general kernel reads the whole capacity and pads the one query to a tile; this one reads only the slots
filled so far, shares each KV head among its query heads, and splits a long cache over several blocks
(Flash-Decoding, Dao et al. 2023). Anything but a plain causal step is left to `attention.py`.

Shapes: B rows, H num_heads, K num_kv_heads, G = H / K, D head_dim, S capacity, N splits.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import torch
from torch import Tensor

try:
    if not torch.backends.cuda.is_built() and os.environ.get("TRITON_INTERPRET") != "1":
        raise ImportError("nothing here can run a kernel: spare the import, which takes a while")
    import triton
    import triton.language as tl
except ImportError:  # CPU builds, Apple and Windows come without it
    triton = None

BLOCK = 64
"""A cache is split at multiples of so many slots."""
BLOCKS_WANTED = 256
"""Programs that fill a large GPU; a smaller batch is split over the cache until there are as many."""


class Tile(NamedTuple):
    """Slots that a program looks at in one go, its warps, and how many tiles it fetches ahead."""

    slots: int
    warps: int
    stages: int


IN_PARTS, WHOLE = Tile(BLOCK, 4, 3), Tile(32, 1, 3)
"""Where each row's cache is split, and where one program reads it all: there are many of those then, and
small ones keep an H200 busier (bf16, 512 rows, two heads, 265 slots: 22.7 µs instead of 28.2)."""
TILE_ROWS = 16
"""The smallest tile of a tensor core; query heads beyond the group are padding."""
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
"""Of queries, keys and values; sums are fp32, so that float64 would not be served as it should."""


def is_available(device: torch.device, dtype: torch.dtype, group_size: int, head_dim: int) -> bool:
    """Whether `decode_attention` can run here: CUDA, Triton, a dtype that it adds up in full, and tiles that
    tensor cores take.
    """
    return (
        triton is not None
        and device.type == "cuda"
        and dtype in DTYPES
        and group_size <= TILE_ROWS
        and head_dim in (16, 32, 64, 128)
    )


class SplitAttention(NamedTuple):
    """Softmax sums over the parts of a cache, to be joined: [B, K, N, G, D] and twice [B, K, N, G], fp32."""

    sums: Tensor
    """Values weighted by exp(score - largest)."""
    largest: Tensor
    totals: Tensor
    """Sum of those weights."""

    def joined(self) -> Tensor:
        """The attention itself, [B, K, G, D]."""
        share = (self.largest - self.largest.amax(2, keepdim=True)).exp()  # [B, K, N, G]
        return (self.sums * share[..., None]).sum(2) / (self.totals * share).sum(2)[..., None]


def decode_attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    key_positions: Tensor,
    query_positions: Tensor,
    slots: Tensor,
) -> Tensor:
    """softmax(q k^T / sqrt(D)) v over the visible slots up to the newest one.

    queries [B, H, 1, D]; keys, values [B, K, S, D]; key_positions [B, S]; query_positions, slots [B]: the
    new token's position and slot, which is the last one filled. Returns [B, H, 1, D].
    """
    if _num_splits(keys) > 1:
        attended = attend_splits(queries, keys, values, key_positions, query_positions, slots).joined()
        return attended.to(queries.dtype).view(queries.shape)
    attended = torch.empty_like(queries, memory_format=torch.contiguous_format)
    unused = queries  # nothing is left to join: the only part is divided in the kernel
    _launch(
        queries, keys, values, key_positions, query_positions, slots, SplitAttention(attended, unused, unused)
    )
    return attended


def attend_splits(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    key_positions: Tensor,
    query_positions: Tensor,
    slots: Tensor,
) -> SplitAttention:
    """`decode_attention` before its parts are joined; same arguments."""
    batch, num_heads, _, head_dim = queries.shape
    num_kv_heads = keys.shape[1]
    shape = (batch, num_kv_heads, _num_splits(keys), num_heads // num_kv_heads)
    sums = torch.empty(*shape, head_dim, device=queries.device, dtype=torch.float32)
    largest, totals = (torch.empty(shape, device=queries.device, dtype=torch.float32) for _ in range(2))
    parts = SplitAttention(sums, largest, totals)
    _launch(queries, keys, values, key_positions, query_positions, slots, parts)
    return parts


def _num_splits(keys: Tensor) -> int:
    """Parts that each row's cache, keys [B, K, S, D], is read in."""
    batch, num_kv_heads, capacity, _ = keys.shape
    return max(1, min(-(-capacity // BLOCK), BLOCKS_WANTED // (batch * num_kv_heads)))


def _launch(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    key_positions: Tensor,
    query_positions: Tensor,
    slots: Tensor,
    into: SplitAttention,
) -> None:
    """Fill `into`: its sums alone, divided, where they are in the shape of the queries."""
    batch, num_heads, _, head_dim = queries.shape
    num_kv_heads, capacity = keys.shape[1], keys.shape[2]
    assert keys.stride() == values.stride() and keys.stride()[2:] == (head_dim, 1), (
        "cut by slots or rows only"
    )
    splits, whole = _num_splits(keys), into.sums.dim() == queries.dim()
    tile = WHOLE if whole else IN_PARTS
    _kernel[(batch, num_kv_heads, splits)](
        queries.contiguous(),
        keys,
        values,
        key_positions,
        query_positions.contiguous(),
        slots.contiguous(),
        *into,
        *keys.stride()[:2],  # more than the shape says where a cache is cut to its first slots
        key_positions.stride(0),
        -(-capacity // (BLOCK * splits)) * BLOCK,
        SCALE=head_dim**-0.5,
        GROUP=num_heads // num_kv_heads,
        ROWS=TILE_ROWS,
        HEAD_DIM=head_dim,
        SLOTS=tile.slots,
        IS_WHOLE=whole,
        num_warps=tile.warps,
        num_stages=tile.stages,
    )


if triton is not None:

    @triton.jit
    def _softmax_with(best, total, output, scores, value):  # type: ignore[no-untyped-def]
        """An online softmax (Milakov and Gimelshein 2018) after one more block of scores and values.

        best, total [ROWS] and output [ROWS, D] hold the largest score so far, the sum of exp(score - best)
        and the sum of that times the value; scores [ROWS, SLOTS], value [SLOTS, D].
        """
        higher = tl.maximum(best, tl.max(scores, 1))
        base = tl.where(higher == float("-inf"), 0.0, higher)  # nothing visible yet: avoid inf - inf
        weight = tl.exp(scores - base[:, None])
        decay = tl.exp(best - base)
        total = total * decay + tl.sum(weight, 1)
        output = output * decay[:, None] + tl.dot(weight.to(value.dtype), value, input_precision="ieee")
        return higher, total, output

    @triton.jit
    def _loaded(memory, offset, inside):  # type: ignore[no-untyped-def]
        """The rows of memory [.., D] at offset [R, D], zeros where not inside [R]."""
        return tl.load(memory + offset, mask=inside[:, None], other=0.0)

    @triton.jit
    def _kernel(  # type: ignore[no-untyped-def]
        queries,
        keys,
        values,
        key_positions,
        query_positions,
        newest_slots,
        sums,
        largest,
        totals,
        row_stride,
        head_stride,
        position_stride,
        split_length,
        SCALE: tl.constexpr,
        GROUP: tl.constexpr,
        ROWS: tl.constexpr,
        HEAD_DIM: tl.constexpr,
        SLOTS: tl.constexpr,
        IS_WHOLE: tl.constexpr,
    ):
        """Softmax sums of one row, KV head and split over its slots; IS_WHOLE: the attention itself."""
        row, head, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
        pair = row * tl.num_programs(1) + head
        members, dims = tl.arange(0, ROWS), tl.arange(0, HEAD_DIM)
        in_group = members < GROUP
        query = _loaded(queries, (pair * GROUP + members[:, None]) * HEAD_DIM + dims, in_group)  # [ROWS, D]
        position = tl.load(query_positions + row)
        start = split * split_length
        stop = tl.minimum(start + split_length, tl.load(newest_slots + row) + 1)
        best = tl.full([ROWS], float("-inf"), tl.float32)
        total = tl.zeros([ROWS], tl.float32)
        output = tl.zeros([ROWS, HEAD_DIM], tl.float32)
        for first in range(start, stop, SLOTS):
            slots = first + tl.arange(0, SLOTS)
            filled = slots < stop
            key_position = tl.load(key_positions + row * position_stride + slots, mask=filled, other=-1)
            visible = (key_position >= 0) & (key_position <= position)
            offset = row.to(tl.int64) * row_stride + head * head_stride + slots[:, None] * HEAD_DIM + dims
            key, value = _loaded(keys, offset, filled), _loaded(values, offset, filled)  # [SLOTS, D]
            scores = tl.dot(query, tl.trans(key), input_precision="ieee") * SCALE  # [ROWS, SLOTS]
            scores = tl.where(visible[None, :], scores, float("-inf"))
            best, total, output = _softmax_with(best, total, output, scores, value)
        target = (pair * tl.num_programs(2) + split) * GROUP + members
        if IS_WHOLE:
            output = output / total[:, None]
        else:
            tl.store(largest + target, best, mask=in_group)
            tl.store(totals + target, total, mask=in_group)
        tl.store(sums + target[:, None] * HEAD_DIM + dims, output, mask=in_group[:, None])
