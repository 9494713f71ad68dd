"""The structures of `cpu_step.cpp` for ctypes, field by field, and a cache as one of them.

Whoever fills one keeps what its pointers point at.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_float, c_int64, c_void_p

from torch import Tensor

from minimind_core.decoding.engine_cache import PagedCache
from minimind_core.model.kv_cache import StaticCache


class Matrix(ctypes.Structure):
    _fields_ = [("weights", c_void_p), ("scales", c_void_p), ("outputs", c_int64), ("inputs", c_int64)]


class Parts(ctypes.Structure):
    _fields_ = [
        ("weights", ctypes.POINTER(c_void_p)),
        ("outputs", ctypes.POINTER(c_int64)),
        *((name, c_int64) for name in ("count", "inputs")),
    ]


class Layer(ctypes.Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("attention_norm", "feed_forward_norm", "query_norm", "key_norm")),
        *((name, Matrix) for name in ("qkv", "output", "gate_up", "down")),
    ]


class Model(ctypes.Structure):
    _fields_ = [
        *((name, c_int64) for name in ("num_layers", "vocab", "hidden", "intermediate")),
        *((name, c_int64) for name in ("num_heads", "num_kv_heads", "head_dim")),
        *((name, c_void_p) for name in ("embedding", "final_norm", "inv_freq")),
        ("layers", ctypes.POINTER(Layer)),
        ("head", Matrix),
        ("eps", c_float),
        ("attention_factor", c_float),
    ]


class Cache(ctypes.Structure):
    _fields_ = [
        ("keys", ctypes.POINTER(c_void_p)),
        ("values", ctypes.POINTER(c_void_p)),
        *((name, c_int64) for name in ("block_stride", "head_stride", "place_stride")),
        ("tables", c_void_p),
        ("table_stride", c_int64),
        ("block_size", c_int64),
        ("positions", c_void_p),
        ("position_stride", c_int64),
        ("capacity", c_int64),
    ]


class Batch(ctypes.Structure):
    _fields_ = [("rows", c_int64), *((name, c_void_p) for name in ("ids", "positions", "owners", "logits"))]


def parts(matrices: Sequence[Tensor]) -> Parts:
    """Matrices fp32 [.., inputs] of one input."""
    pointers, sizes = c_void_p * len(matrices), c_int64 * len(matrices)
    return Parts(
        pointers(*(matrix.data_ptr() for matrix in matrices)),
        sizes(*map(len, matrices)),
        len(matrices),
        matrices[0].shape[1],
    )


def addresses(cache: StaticCache) -> Cache:
    """Where the cache is; the places of static slots are one block a row, by its own number."""
    tables, block_size = cache.rows, cache.capacity
    if isinstance(cache, PagedCache):
        tables, block_size = cache.tables, cache.block_size
    pointers = c_void_p * len(cache.keys)
    first = cache.keys[0]
    return Cache(
        pointers(*(keys.data_ptr() for keys in cache.keys)),
        pointers(*(values.data_ptr() for values in cache.values)),
        *first.stride()[:3],
        tables.data_ptr(),
        tables.stride(0),
        block_size,
        cache.positions.data_ptr(),
        cache.positions.stride(0),
        cache.capacity,
    )
