"""The attention and the blocks of our core, step by step with their own weights, or with one thing left out.

A loaded model is kept between runs, so what is put in place of its parts is taken out again. Imports torch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from minimind_core.model.attention import Visible
from minimind_core.model.minimind import Attention, AttentionInputs, Layer, MiniMind
from minimind_core.model.rope import apply_rope

Note = Callable[[str, Tensor], object]
"""Is told the name of a step and its tensor."""


def unheard(_name: str, _tensor: Tensor) -> None:
    """Keep nothing."""


class Stepwise(nn.Module):
    """What `Attention` computes, every tensor written out. `fault` names the one thing that is done wrong.

    Faults: "no_scale", "no_mask", "mask_after" (multiplied in after the softmax), "no_rope", "no_transpose"
    (`view` straight to the final shape) and "no_o_proj". `note` is given each tensor under its name.
    """

    def __init__(self, own: Attention, fault: str = "", note: Note = unheard) -> None:
        super().__init__()
        self.own, self.fault, self.note, self.kind = own, fault, note, own.kind

    def forward(self, hidden: Tensor, inputs: AttentionInputs) -> Tensor:
        """hidden [B, T, C] -> [B, T, C]. Reads no cache."""
        own, note = self.own, self.note
        q_linear, k_linear, v_linear = own.project(hidden)  # [B, T, H * D], [B, T, K * D] twice
        note("q_linear", q_linear)
        note("kv_linear", k_linear)
        queries = own.q_norm(self._split(q_linear))  # [B, H, T, D]
        keys, values = own.k_norm(self._split(k_linear)), self._split(v_linear)  # [B, K, T, D] each
        note("q", queries)
        note("kv", keys)
        note("values", values)
        if inputs.rotation is not None and self.fault != "no_rope":
            queries, keys = apply_rope(queries, *inputs.rotation), apply_rope(keys, *inputs.rotation)
        note("q_rotated", queries)
        group = queries.shape[1] // keys.shape[1]
        keys, values = (part.repeat_interleave(group, 1) for part in (keys, values))  # [B, H, T, D]
        note("repeated", keys)
        scale = 1.0 if self.fault == "no_scale" else own.head_dim**-0.5
        scores = queries @ keys.transpose(-1, -2) * scale  # [B, H, T, T]
        note("scores", scores)
        weights = self._weights(scores, inputs.visible)  # [B, H, T, T]
        note("weights", weights)
        context = weights @ values  # [B, H, T, D]
        note("context", context)
        joined = context.transpose(1, 2).flatten(2)  # [B, T, H * D]
        output: Tensor = joined if self.fault == "no_o_proj" else own.o_proj(joined)  # [B, T, C]
        note("output", output)
        return output

    def _split(self, linear: Tensor) -> Tensor:
        """[B, T, heads * D] -> [B, heads, T, D]."""
        batch, length, _ = linear.shape
        if self.fault == "no_transpose":
            return linear.view(batch, -1, length, self.own.head_dim)
        return linear.view(batch, length, -1, self.own.head_dim).transpose(1, 2)

    def _weights(self, scores: Tensor, visible: Visible) -> Tensor:
        """softmax(scores + mask) [B, H, T, T]."""
        looks = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        if isinstance(visible, Tensor) and visible.dtype == torch.bool:
            looks = visible
        elif isinstance(visible, Tensor):  # a bias, -inf where nothing is seen
            scores, looks = scores + visible.clamp(min=-1e4), visible.isfinite()
        if self.fault not in ("no_mask", "mask_after"):
            scores = scores.masked_fill(~looks, -torch.inf)
        weights = scores.float().softmax(-1).to(scores.dtype)
        return weights * looks if self.fault == "mask_after" else weights


class Block(nn.Module):
    """A layer with its own weights; the named parts are left out.

    Parts: "norms", "attention_residual", "feed_forward_residual", "attention", "feed_forward".
    """

    def __init__(self, own: Layer, without: frozenset[str]) -> None:
        super().__init__()
        self.own, self.without, self.self_attn = own, without, own.self_attn

    def forward(self, hidden: Tensor, inputs: AttentionInputs) -> Tensor:
        """hidden [B, T, C] -> [B, T, C]."""
        own, without = self.own, self.without
        if "attention" not in without:
            read = hidden if "norms" in without else own.input_layernorm(hidden)
            added = own.self_attn(read, inputs)
            hidden = added if "attention_residual" in without else hidden + added
        if "feed_forward" not in without:
            read = hidden if "norms" in without else own.post_attention_layernorm(hidden)
            added = own.mlp(read)
            hidden = added if "feed_forward_residual" in without else hidden + added
        return hidden


@contextlib.contextmanager
def attention_replaced(model: MiniMind, make: Callable[[Attention], nn.Module]) -> Iterator[None]:
    """While this is open, `make` of its attention computes in every layer, called for the first one first."""
    layers = list(model.model.layers)
    own = [layer.self_attn for layer in layers]
    try:
        for layer, attention in zip(layers, own, strict=True):
            layer.self_attn = make(attention)
        yield
    finally:
        for layer, attention in zip(layers, own, strict=True):
            layer.self_attn = attention


@contextlib.contextmanager
def blocks_replaced(model: MiniMind, count: int, without: frozenset[str]) -> Iterator[None]:
    """While this is open, the first `count` layers do without these parts."""
    layers, own = model.model.layers, list(model.model.layers)
    try:
        for index in range(count):
            layers[index] = Block(own[index], without)
        yield
    finally:
        for index in range(count):
            layers[index] = own[index]
