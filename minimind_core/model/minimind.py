"""MiniMind: a Llama-like decoder whose parameters carry Hugging Face's Llama names.

One forward serves training, prefill, decode, unequal batches, graph capture and verification.
It never reads a value back from the device. It does not sample and knows no text.

Shapes: B rows, T new tokens a row, S keys (T, or the cache's capacity), H num_heads,
K num_kv_heads, D head_dim, C hidden_size, V vocab_size.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minimind_core.model.attention import (
    AttentionKind,
    NewestToken,
    Visible,
    attend,
    causal_visibility,
    has_step_kernel,
)
from minimind_core.model.config import ModelConfig
from minimind_core.model.feed_forward import FeedForward, MoEFeedForward
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.positions import alibi_bias, alibi_slopes, sinusoidal_embedding
from minimind_core.model.rope import RotaryEmbedding, apply_rope

INIT_STD = 0.02


class AttentionInputs(NamedTuple):
    """What every layer's attention needs besides the hidden state; made once a forward."""

    rotation: tuple[Tensor, Tensor] | None
    """cos, sin [B or 1, 1, T, D]; None where positions do not rotate."""
    visible: Visible
    """Which of the S keys each of the T queries may look at."""
    cache: tuple[StaticCache, Tensor] | None
    """Where keys and values are kept, and the slots [T] or [B, T] of the new ones."""
    fresh: bool
    """Nothing came before the new tokens: they attend to each other, not to the cache."""


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang and Sennrich 2019)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """x [..., size] -> same shape and dtype; the mean is taken in fp32."""
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


class Attention(nn.Module):
    """Grouped-query attention (Ainslie et al. 2023): H query heads read K shared key/value heads."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer, self.head_dim = layer, config.head_dim
        self.kind: AttentionKind = "sdpa"
        self.q_proj = nn.Linear(config.hidden_size, config.num_heads * config.head_dim, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, config.num_kv_heads * config.head_dim, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, config.num_kv_heads * config.head_dim, bias=False)
        self.o_proj = nn.Linear(config.num_heads * config.head_dim, config.hidden_size, bias=False)
        self.q_norm = RMSNorm(config.head_dim, config.rms_norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(config.head_dim, config.rms_norm_eps) if config.qk_norm else nn.Identity()

    def forward(self, hidden: Tensor, inputs: AttentionInputs) -> Tensor:
        """hidden [B, T, C] -> [B, T, C]."""
        split = (*hidden.shape[:2], -1, self.head_dim)  # [B, T, H or K, D]
        queries, keys, values = (projected.view(split) for projected in self.project(hidden))
        queries = self.q_norm(queries).transpose(1, 2)  # [B, H, T, D]
        keys = self.k_norm(keys).transpose(1, 2)  # [B, K, T, D]
        values = values.transpose(1, 2)  # [B, K, T, D]
        if inputs.rotation is not None:
            queries, keys = apply_rope(queries, *inputs.rotation), apply_rope(keys, *inputs.rotation)
        if inputs.cache is not None:
            cache, slots = inputs.cache
            cached = cache.write(self.layer, slots, keys, values)
            keys, values = (keys, values) if inputs.fresh else cached  # [B, K, S, D]
        attended = attend(queries, keys, values, inputs.visible, self.kind)  # [B, H, T, D]
        return self.o_proj(attended.transpose(1, 2).flatten(2))  # [B, T, H * D] -> [B, T, C]

    def project(self, hidden: Tensor) -> tuple[Tensor, ...]:
        """hidden [B, T, C] -> queries [B, T, H * D], keys and values [B, T, K * D]."""
        return self.q_proj(hidden), self.k_proj(hidden), self.v_proj(hidden)


class Layer(nn.Module):
    """Pre-norm block: attention, then feed-forward, each added to the residual stream."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config, layer)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = MoEFeedForward(config) if config.num_experts else FeedForward(config)

    def forward(self, hidden: Tensor, inputs: AttentionInputs) -> Tensor:
        """hidden [B, T, C] -> [B, T, C]."""
        hidden = hidden + self.self_attn(self.input_layernorm(hidden), inputs)
        return hidden + self.mlp(self.post_attention_layernorm(hidden))


class Decoder(nn.Module):
    """Embedding, positions, layers, final norm: everything below the head."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, index) for index in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.rotary = RotaryEmbedding(config) if config.position == "rope" else None
        if config.position == "learned":
            self.embed_positions = nn.Embedding(config.max_length, config.hidden_size)
        elif config.position == "alibi":
            self.register_buffer("slopes", alibi_slopes(config.num_heads), persistent=False)

    def forward(
        self,
        ids: Tensor,
        positions: Tensor | None = None,
        slots: Tensor | None = None,
        mask: Tensor | None = None,
        cache: StaticCache | None = None,
    ) -> Tensor:
        """As `MiniMind.forward`, but returns the normed hidden state [B, T, C]."""
        fresh = positions is None
        if positions is None:
            positions = torch.arange(ids.shape[1], device=ids.device)  # [T]
        slots = positions if slots is None else slots
        if cache is not None:
            cache.mark(slots, positions)
        inputs = AttentionInputs(
            rotation=self.rotary(positions) if self.rotary is not None else None,
            visible=self._visible(positions, slots, mask, cache, fresh),
            cache=(cache, slots) if cache is not None else None,
            fresh=fresh,
        )
        hidden = self._embed(ids, positions)
        for layer in self.layers:
            hidden = layer(hidden, inputs)
        return self.norm(hidden)

    def _embed(self, ids: Tensor, positions: Tensor) -> Tensor:
        hidden = self.embed_tokens(ids)  # [B, T, C]
        if self.config.position == "learned":
            return hidden + self.embed_positions(positions.clamp(min=0))
        if self.config.position == "sinusoidal":
            return hidden + sinusoidal_embedding(positions, self.config.hidden_size).to(hidden.dtype)
        return hidden

    @property
    def attention_kind(self) -> AttentionKind:
        """Fused ("sdpa") or written-out ("eager") attention, the same in every layer."""
        return self.layers[0].self_attn.kind

    def _has_step_kernel(self, cache: StaticCache) -> bool:
        config, dtype = self.config, self.embed_tokens.weight.dtype
        return has_step_kernel(
            self.attention_kind, cache.positions.device, dtype, config.group_size, config.head_dim
        )

    def _visible(
        self, positions: Tensor, slots: Tensor, mask: Tensor | None, cache: StaticCache | None, fresh: bool
    ) -> Visible:
        """Which keys the new tokens may look at: those in the cache; only their own where they are fresh."""
        past = None if fresh else cache
        plain = mask is None and self.config.position != "alibi"
        if plain and fresh:
            return None
        if plain and past is not None and positions.shape[-1] == 1 and self._has_step_kernel(past):
            position, slot = (t.expand_as(past.rows).flatten() for t in (positions, slots))  # [B] each
            return NewestToken(past.positions, position, slot)
        queries = positions.expand(1, -1) if positions.dim() == 1 else positions  # [B or 1, T]
        keys = queries if past is None else past.positions  # [B or 1, S]
        visible = causal_visibility(queries, keys)  # [B or 1, 1, T, S]
        if mask is not None:
            mask = mask if mask.dim() == 4 else mask.unsqueeze(-3)  # [.., 1, T, S]
            visible = visible & (mask | (queries < 0)[:, None, :, None])  # padding still sees a key
        if self.config.position != "alibi":
            return visible
        bias = alibi_bias(self.slopes, queries, keys)  # [B or 1, H, T, S]
        return bias.masked_fill(~visible, -torch.inf).to(self.embed_tokens.weight.dtype)


class MiniMind(nn.Module):
    """The language model: `Decoder` plus a head that is the embedding matrix when tied.

    >>> MiniMind(ModelConfig())(torch.tensor([[1, 5, 7]])).shape
    torch.Size([1, 3, 6400])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.apply(_init_weights)

    def forward(
        self,
        ids: Tensor,
        positions: Tensor | None = None,
        slots: Tensor | None = None,
        mask: Tensor | None = None,
        cache: StaticCache | None = None,
    ) -> Tensor:
        """Logits of the next token after each of the T tokens.

        ids [B, T] int64. positions [T] or [B, T] int64: None means 0..T-1 and nothing before them;
        a negative one is padding. slots [T] or [B, T]: where the cache is written (None: at the
        positions); a later token never has a lower slot. mask bool [T, S], [B, T, S] or [B, 1, T, S]:
        True may look; it narrows causal attention, never widens it. Returns [B, T, V] in the dtype of
        the weights.
        """
        return self.head(self.model(ids, positions, slots, mask, cache))

    def head(self, hidden: Tensor) -> Tensor:
        """hidden [B, T, C] -> logits [B, T, V]."""
        if self.config.tie_word_embeddings:
            return F.linear(hidden, self.head_weight)
        return self.lm_head(hidden)

    @property
    def head_weight(self) -> Tensor:
        """The matrix [V, C] that the head multiplies with: the embedding's where tied."""
        return self.model.embed_tokens.weight if self.config.tie_word_embeddings else self.lm_head.weight

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.embed_tokens.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are kept in, and hidden states are computed in."""
        return self.model.embed_tokens.weight.dtype

    def use_attention(self, kind: AttentionKind) -> MiniMind:
        """Choose fused ("sdpa") or written-out ("eager") attention; returns self."""
        for layer in self.model.layers:
            layer.self_attn.kind = kind
        return self


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INIT_STD)
