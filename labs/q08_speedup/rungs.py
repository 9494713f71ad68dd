"""The rungs of the ladder: the same token of a text, decoded in ways of which each saves one thing more.

Every way reads the last token of one context again and again, so that each of its calls is the same step.
Imports torch. Times nothing (`ladder.py`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from labs.machine.probes import operations
from labs.q08_speedup.aside import aside
from minimind_core.decoding import int8_linear
from minimind_core.decoding.cpu_step import CpuStep, make_cpu_step
from minimind_core.decoding.cuda_graph import CudaGraph
from minimind_core.decoding.int8_linear import Int8Linear
from minimind_core.decoding.step import COMPILE_OPTIONS, Step, StepKind
from minimind_core.decoding.step_model import joined, make_step_model
from minimind_core.files.quantize import can_quantize, quantize_int8
from minimind_core.model.cost import kv_cache_bytes
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind

Decode = Callable[[], Tensor]
"""Decodes the last token of the context; returns its logits [1, V]."""


@dataclass(frozen=True)
class Rung:
    """One way, the bytes that it reads for a token, and what it launches one by one (None: a program)."""

    decode: Decode
    num_bytes: int
    operations: int | None


class GrowingCache(StaticCache):
    """A cache as plain code keeps it: every step copies what was read, to make it one token longer.

    What is given back is forgotten, so that the next step is the same one.
    """

    def __init__(self, filled: StaticCache) -> None:
        self.keys, self.values, self.rows = filled.keys, filled.values, filled.rows
        self.read = self.positions = filled.positions

    def mark(self, slots: Tensor, positions: Tensor) -> None:
        """As `StaticCache.mark`, for slots after all others."""
        self.positions = torch.cat([self.read, positions.expand(len(self.rows), -1)], 1)

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """As `StaticCache.write`, into new memory."""
        return torch.cat([self.keys[layer], keys], 2), torch.cat([self.values[layer], values], 2)


class Rungs:
    """Makes the rungs for one model and one context, ids int64 [1, T]."""

    def __init__(self, model: MiniMind, ids: Tensor) -> None:
        self.model, self.ids, self.length = model, ids, ids.shape[1]
        self.device, self.last = ids.device, ids[:, -1:]
        self.position = torch.tensor([[self.length - 1]], device=ids.device)  # [1, 1]

    def recomputed(self) -> Rung:
        """Without a cache: the whole context is read for every token."""
        return self._rung(lambda: self.model(self.ids)[:, -1], self.model, cached=False)

    def growing(self) -> Rung:
        """With a cache that grows by concatenation."""
        filled = self._filled(self.model, self.length - 1).cache
        cache = GrowingCache(filled)
        return self._rung(lambda: self.model(self.last, self.position, cache=cache)[:, 0], self.model)

    def static(self, model: MiniMind | None = None) -> Rung:
        """With memory for the cache taken once, operation by operation."""
        model = model or self.model
        step = self._filled(model, self.length)
        return self._rung(lambda: step(self.last, self.position), model)

    def written_out(self) -> Rung:
        """As `static`, with attention written out as products and a softmax."""
        return self.static(copy.deepcopy(self.model).use_attention("eager"))

    def joined(self) -> Rung:
        """As `static`, with the projections that share an input in one product."""
        return self.static(joined(self.model))

    def int8(self) -> Rung:
        """As `joined`, with weights that are read as int8."""
        return self.static(in_int8(self.model))

    def graph(self, kind: StepKind = "graph") -> Rung:
        """The step as one CUDA graph; with kind "compiled" of our fused kernels."""
        step = self._filled(self.model, self.length, kind)
        return self._rung(lambda: step(self.last, self.position), self.model, launched=False)

    def compiled(self) -> Rung:
        """The static step through `torch.compile`, and on CUDA replayed as a graph."""
        step = self._filled(self.model, self.length)
        step.ids.copy_(self.last)
        step.positions.copy_(self.position)
        options = COMPILE_OPTIONS.get(self.device.type, {})

        def program() -> Tensor:
            return self.model(step.ids, step.positions, cache=step.cache)[:, 0]

        run = torch.compile(program, dynamic=False, fullgraph=True, options=options)
        if self.device.type == "cuda":
            run = CudaGraph(run, (step.cache.positions,))
        return self._rung(run, self.model, launched=False)

    def one_call(self, whole: CpuStep) -> Rung:
        """The step as one call into C++, which reads int8."""
        step = Step(self.model, 1, self.length, forward=whole)
        step.prefill([self.ids[0, :-1].tolist()])
        cache = kv_cache_bytes(self.model.config, 1, self.length, torch.float32.itemsize)
        return Rung(lambda: step(self.last, self.position), whole.num_bytes + cache, None)

    def has_fused_kernels(self) -> bool:
        """Whether the core has kernels of its own for this model on this device."""
        return self.device.type == "cuda" and not isinstance(make_step_model(self.model, 1), nn.Module)

    def _filled(self, model: MiniMind, capacity: int, kind: StepKind = "eager") -> Step:
        """A step whose cache holds all of the context but its last token."""
        step = Step(model, 1, capacity, kind)
        step.prefill([self.ids[0, :-1].tolist()])
        return step

    def _rung(self, decode: Decode, model: MiniMind, *, cached: bool = True, launched: bool = True) -> Rung:
        config = self.model.config
        weight = self.model.model.embed_tokens.weight
        token = 2 * config.num_layers * config.num_kv_heads * config.head_dim * weight.element_size()
        num_bytes = read_bytes(model) + (self.length * token if cached else 0)
        return Rung(decode, num_bytes, operations(decode) if launched else None)


def built(
    maker: Rungs, with_compile: bool, on_progress: Callable[[float], None]
) -> tuple[dict[str, Rung], dict[str, str]]:
    """The rungs that can be had here, in order, and for the others why not; one call of each was made."""
    makers: dict[str, Callable[[], Rung]] = {
        "none": maker.recomputed,
        "cache": maker.growing,
        "static": maker.written_out,
        "flash": maker.static,
        "joined": maker.joined,
        "compile": maker.compiled,
        "graph": maker.graph,
        "kernels": lambda: maker.graph("compiled"),
        "int8": maker.int8,
    }
    whole = aside(lambda: make_cpu_step(maker.model), lambda: on_progress(0.0))
    if whole is not None:
        makers["one_call"] = partial(maker.one_call, whole)
    missing = _missing(maker, with_compile, whole is not None, lambda: on_progress(0.0))
    rungs = {}
    for index, (name, make) in enumerate(makers.items()):
        on_progress(index / len(makers))
        if name not in missing:
            rungs[name] = make()
    return rungs, missing


def _missing(
    maker: Rungs, with_compile: bool, has_one_call: bool, on_wait: Callable[[], object]
) -> dict[str, str]:
    """Of every rung that cannot be had here, why not."""
    missing: dict[str, str] = {}
    cuda = maker.device.type == "cuda"
    if not with_compile:
        missing["compile"] = "compile"
    if not cuda:
        missing |= dict.fromkeys(("graph", "kernels"), "no_gpu")
    elif not maker.has_fused_kernels():
        missing["kernels"] = "no_kernels"
    if maker.device.type != "cpu":
        missing["int8"] = "int8_on_gpu"
    elif not fits_int8(maker.model):
        missing["int8"] = "int8_shape"
    elif not aside(int8_linear.is_available, on_wait):  # builds it once
        missing["int8"] = "no_compiler"
    if not has_one_call:
        missing["one_call"] = "one_call_on_cpu" if cuda else "one_call"
    return missing


def read_bytes(model: MiniMind) -> int:
    """Bytes of all weights that a step reads. Of an embedding that is no head a row is, which is nothing."""
    tensors = [
        *model.parameters(),
        *(t for m in model.modules() if isinstance(m, Int8Linear) for t in (m.q, m.scale)),
    ]
    embedding = 0 if model.config.tie_word_embeddings else model.model.embed_tokens.weight.nbytes
    return sum(tensor.nbytes for tensor in tensors) - embedding


def in_int8(model: MiniMind) -> MiniMind:
    """A copy whose matrices are int8 with a scale for every 64 numbers, the head's included."""

    def linear(weight: Tensor) -> nn.Module:
        return Int8Linear(*quantize_int8(weight))

    twin = joined(model, linear)
    twin.config = model.config.replace(tie_word_embeddings=False)
    twin.lm_head = linear(model.head_weight)
    return twin


def fits_int8(model: MiniMind) -> bool:
    """Whether every matrix has rows of whole groups."""
    weights = [model.head_weight, *(m.weight for m in model.modules() if isinstance(m, nn.Linear))]
    return all(can_quantize(weight) for weight in weights)
