"""Decode steps of the 26M's shape with 8, 2 and 1 KV heads, and how fast memory is read.

Weights are random, for the speed does not depend on them, and shared by the variants where their shapes
agree. Chooses greedily and judges nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from labs.q06_gqa.cache_bytes import QUERY_HEADS, shape
from labs.tools.budgets import PerDevice
from labs.tools.interleaved import seconds_a_call
from labs.tools.models import assembled
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import INIT_STD, MiniMind
from minimind_core.model.parameter_shapes import parameter_shapes

BANDWIDTH_BYTES = PerDevice(cpu=2**28, cuda=2**30)
_FILLING, _BLOCK = 0.01, 1_000_003


def random_models(kv_heads: Iterable[int], device: str, dtype: torch.dtype) -> list[MiniMind]:
    """Models of the 26M's shape with so many KV heads, one a count."""
    random = torch.Generator(device).manual_seed(0)
    block = INIT_STD * torch.randn(_BLOCK, generator=random, device=device).to(dtype)

    def filled(size: tuple[int, ...]) -> Tensor:
        """Norms are one; a matrix is the same block of numbers over and over, which is quick to make."""
        if len(size) == 1:
            return block.new_ones(size)
        count = math.prod(size)
        return block.repeat(-(-count // _BLOCK))[:count].view(size)

    tensors = {name: filled(size) for name, size in parameter_shapes(shape(QUERY_HEADS)).items()}
    return [assembled(shape(heads), tensors) for heads in kv_heads]


class DecodeStep:
    """One greedy step of every row over a full cache of `tokens` slots, the new token's included.

    The last slot is written again at each call, so the length stays what it is. On CUDA the step is
    captured as a graph, or the launches would hide everything else; keep the step as long as its `run`,
    for a graph does not own the memory that it reads.
    """

    def __init__(self, model: MiniMind, batch: int, tokens: int) -> None:
        weight = model.model.embed_tokens.weight
        self.model = model
        self.cache = StaticCache(model.config, batch, tokens, weight.device, weight.dtype)
        for tensor in (*self.cache.keys, *self.cache.values):
            tensor.fill_(_FILLING)  # untouched memory would all be one page of zeros
        self.cache.positions.copy_(torch.arange(tokens))
        self.ids = torch.ones(batch, 1, dtype=torch.int64, device=weight.device)
        self.positions = torch.full_like(self.ids, tokens - 1)
        self.run = self._captured() if weight.is_cuda else self._step

    @torch.inference_mode()
    def _step(self) -> None:
        logits = self.model(self.ids, self.positions, cache=self.cache)  # [B, 1, V]
        self.ids.copy_(logits.argmax(-1))

    def _captured(self) -> Callable[[], None]:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                self._step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        return graph.replay


def read_bandwidth(device: str) -> float:
    """Bytes a second at which a large tensor is read, the fastest of a few runs."""
    size = BANDWIDTH_BYTES.on(device)
    buffer = torch.full((size // 4,), _FILLING, device=device)
    buffer.sum()
    return size / min(seconds_a_call(buffer.sum, 1, torch.device(device)) for _ in range(4))
