"""The same model laid out for the one-token step: fewer, larger products; on a CPU int8 or packed weights.

A step with one token a row is bound by launches on a GPU and by the bytes of its weights on a CPU. Queries,
keys and values come from one product here, gate and up from another; every number is the same. Several rows
on a CPU are multiplied by the library that is faster for them (`cpu_products.py`). Two go further where they
can: one row on CUDA, by five kernels a layer (`fused_step.py`), and any rows on a CPU, by one call for the
whole step (`cpu_step.py`). Made for decoding only: the names of the parameters are no longer Llama's, and
nothing here is trained or saved.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from minimind_core.decoding import int8_linear
from minimind_core.decoding.cpu_products import PackedLinear, is_served, onednn_is_faster
from minimind_core.decoding.cpu_step import CpuStep, make_cpu_step
from minimind_core.decoding.int8_linear import Int8Linear, exact_int8
from minimind_core.model import decode_attention
from minimind_core.model.feed_forward import FeedForward, MoEFeedForward
from minimind_core.model.minimind import Attention, MiniMind

if TYPE_CHECKING:
    from minimind_core.decoding.fused_step import FusedStep

MakeLinear = Callable[[Tensor], nn.Module]


class JoinedAttention(Attention):
    """Attention whose three projections are one matrix."""

    def __init__(self, attention: Attention, make_linear: MakeLinear) -> None:
        nn.Module.__init__(self)
        self.layer, self.head_dim, self.kind = attention.layer, attention.head_dim, attention.kind
        parts = [attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight]
        self.widths = [len(part) for part in parts]
        self.qkv_proj = make_linear(torch.cat(parts))
        self.o_proj = make_linear(attention.o_proj.weight)
        self.q_norm, self.k_norm = attention.q_norm, attention.k_norm

    def project(self, hidden: Tensor) -> tuple[Tensor, ...]:
        """As `Attention.project`."""
        return self.qkv_proj(hidden).split(self.widths, dim=-1)


class JoinedFeedForward(FeedForward):
    """Feed-forward whose gate and up are one matrix."""

    def __init__(self, feed_forward: FeedForward, make_linear: MakeLinear) -> None:
        nn.Module.__init__(self)
        parts = [feed_forward.gate_proj.weight, feed_forward.up_proj.weight]
        self.gate_up_proj = make_linear(torch.cat(parts))
        self.down_proj = make_linear(feed_forward.down_proj.weight)

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        """As `FeedForward.project`."""
        return self.gate_up_proj(x).chunk(2, dim=-1)


def make_step_model(model: MiniMind, batch_size: int) -> MiniMind | FusedStep | CpuStep:
    """A copy of `model` with the same logits, up to the order of sums.

    On a CPU it is a `CpuStep` where that can run; else one row reads int8 where that changes no weight and
    `int8_linear` can run. For one row on CUDA it is a `FusedStep`, whose kernels need no compiler, where
    they know the model.
    """
    whole = make_cpu_step(model)
    if whole is not None:
        return whole
    if batch_size > 1:
        return _laid_out(model, partial(_for_rows, batch_size))
    on_cpu = model.device.type == "cpu"
    int8 = on_cpu and _is_exactly_int8(model) and int8_linear.is_available()
    return _fused(_laid_out(model, _int8_linear if int8 else _linear))


def _laid_out(model: MiniMind, make_linear: MakeLinear) -> MiniMind:
    """A joined copy of `model`; its head is a layer of its own where `make_linear` makes no plain one."""
    twin = joined(model, make_linear)
    head = make_linear(model.head_weight)
    if not isinstance(head, nn.Linear):
        twin.config = model.config.replace(tie_word_embeddings=False)
        twin.lm_head = head
    return twin


def _for_rows(rows: int, weight: Tensor) -> nn.Module:
    """The layer that is fastest for so many rows."""
    weight = weight.detach()
    if is_served(weight) and onednn_is_faster(rows, weight, packed=True):
        return PackedLinear(weight)
    return _linear(weight)


def _linear(weight: Tensor) -> nn.Module:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    linear.weight = nn.Parameter(weight.detach(), requires_grad=False)
    return linear


def joined(model: MiniMind, make_linear: MakeLinear = _linear) -> MiniMind:
    """A copy of `model` whose projections from one input are one product, each made by `make_linear`."""
    twin = copy.deepcopy(model)
    for layer in twin.model.layers:
        layer.self_attn = JoinedAttention(layer.self_attn, make_linear)
        layer.mlp = _joined_feed_forward(layer.mlp, make_linear)
    return twin


def _joined_feed_forward(
    mlp: FeedForward | MoEFeedForward, make_linear: MakeLinear
) -> FeedForward | MoEFeedForward:
    """A feed-forward, or each of the experts, with gate and up as one matrix."""
    if isinstance(mlp, FeedForward):
        return JoinedFeedForward(mlp, make_linear)
    for experts in (mlp.experts, mlp.shared_experts):
        for index, expert in enumerate(experts):
            experts[index] = JoinedFeedForward(expert, make_linear)
    return mlp


def _fused(twin: MiniMind) -> MiniMind | FusedStep:
    """The kernels for one row where they can run, else the joined `twin` itself."""
    config, weight = twin.config, twin.model.embed_tokens.weight
    if not decode_attention.is_available(weight.device, weight.dtype, config.group_size, config.head_dim):
        return twin
    from minimind_core.decoding.fused_step import FusedStep, can_fuse  # needs triton

    return FusedStep(twin) if can_fuse(twin) else twin


def _is_exactly_int8(model: MiniMind) -> bool:
    weights = [model.head_weight, *(m.weight for m in model.modules() if isinstance(m, nn.Linear))]
    return all(exact_int8(weight) is not None for weight in weights)


def _int8_linear(weight: Tensor) -> nn.Module:
    exact = exact_int8(weight)
    assert exact is not None, "checked before"
    return Int8Linear(*exact)
