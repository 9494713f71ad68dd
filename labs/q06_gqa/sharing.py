"""The ways to let several query heads read one KV head: repeated, tiled (the bug), native, grouped product.

All compute one decode step of one attention layer, without projections. Times nothing.

Shapes: B rows, H query heads, K KV heads, n = H / K, S cached tokens, D head_dim.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from minimind_core.model.attention import attend
from minimind_core.model.config import ModelConfig

Way = Callable[[], Tensor]


def repeat_kv(x: Tensor, n_rep: int, head_axis: int = 2) -> Tensor:
    """Copies of a head side by side: [B, S, K, D] -> [B, S, K * n_rep, D], or any other head axis.

    `expand` is a view; the reshape after it copies. With n_rep 1 this is `x` itself.
    """
    if n_rep == 1:
        return x
    view = x.unsqueeze(head_axis + 1)
    view = view.expand(*x.shape[: head_axis + 1], n_rep, *x.shape[head_axis + 1 :])
    return view.reshape(*x.shape[:head_axis], x.shape[head_axis] * n_rep, *x.shape[head_axis + 1 :])


def tile_kv(x: Tensor, n_rep: int) -> Tensor:
    """The bug: all heads, then all heads again. [B, K, S, D] -> [B, K * n_rep, S, D]."""
    return x.repeat(1, n_rep, 1, 1)


def attend_repeated(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """queries [B, H, 1, D] over keys, values [B, K, S, D], whose heads are written out H times."""
    n_rep = queries.shape[1] // keys.shape[1]
    return F.scaled_dot_product_attention(queries, repeat_kv(keys, n_rep, 1), repeat_kv(values, n_rep, 1))


def attend_tiled(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """The same with the heads in the wrong order."""
    n_rep = queries.shape[1] // keys.shape[1]
    return F.scaled_dot_product_attention(queries, tile_kv(keys, n_rep), tile_kv(values, n_rep))


def attend_native(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """The kernel knows about groups."""
    shared = queries.shape[1] != keys.shape[1]
    return F.scaled_dot_product_attention(queries, keys, values, enable_gqa=shared)


def attend_grouped(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Products written out over the packed group, as the core's eager attention does it."""
    everything = torch.ones(1, 1, 1, keys.shape[2], dtype=torch.bool, device=keys.device)
    return attend(queries, keys, values, everything, "eager")


SHARED_WAYS = {"native": attend_native, "grouped": attend_grouped, "repeat": attend_repeated}


def decode_inputs(
    kv_heads: int, batch: int, tokens: int, *, seed: int, device: str, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Unit-normal queries [B, H, 1, D], keys and values [B, K, S, D] of the 26M's width."""
    config = ModelConfig()
    random = torch.Generator(device).manual_seed(seed)

    def normal(heads: int, length: int) -> Tensor:
        size = batch, heads, length, config.head_dim
        return torch.randn(size, generator=random, device=device, dtype=dtype)

    return normal(config.num_heads, 1), normal(kv_heads, tokens), normal(kv_heads, tokens)


def sentinel_reads(
    attention: Callable[[Tensor, Tensor, Tensor], Tensor], kv_heads: int, tokens: int, device: str
) -> list[int]:
    """Which KV head each query head reads: the values of head j are all j, so the output says it."""
    queries, keys, values = decode_inputs(kv_heads, 1, tokens, seed=0, device=device, dtype=torch.float32)
    values = torch.arange(kv_heads, device=device, dtype=torch.float32)[None, :, None, None].expand_as(values)
    output = attention(queries, keys, values.contiguous())  # [1, H, 1, D]
    return [round(head) for head in output[0, :, 0, 0].tolist()]


def largest_differences(inputs: tuple[Tensor, Tensor, Tensor]) -> dict[str, float]:
    """Of each other way's output from repetition, on the same inputs."""
    repeated = attend_repeated(*inputs)
    return {
        name: float((way(*inputs) - repeated).abs().max())
        for name, way in SHARED_WAYS.items()
        if name != "repeat"
    }


class CreatedBytes(TorchFunctionMode):
    """Counts the bytes of new memory in what the functions called in its block return; views ask for none.

    What a fused kernel takes and gives back within one call is not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0
        self._seen: set[int] = set()
        self._kept: list[Tensor] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation and look at what came out."""
        inputs = {_address(x) for x in _tensors((args, kwargs or {}))}
        outputs = func(*args, **(kwargs or {}))
        for tensor in _tensors(outputs):
            if _address(tensor) not in inputs | self._seen:
                self._seen.add(_address(tensor))
                self._kept.append(tensor)  # or its address would be given away again
                self.total += tensor.untyped_storage().nbytes()
        return outputs


def created_bytes(way: Way) -> int:
    """Memory that one call asks for, result included."""
    with CreatedBytes() as counter:
        way()
    return counter.total


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [tensor for item in value for tensor in _tensors(item)] if isinstance(value, list | tuple) else []


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
