"""The forward pass of one token for one request as 42 Triton kernels instead of about a hundred: CUDA only.

`step_model.py` chooses it where it can run. It reads the same weights, joined as there, and a
`StaticCache`; it does not read prompts, train, or serve more than one row (`model.py` does). The kernels
are launched from Python, which is slow, and meant to be captured as a CUDA graph, which is not.
"""

from __future__ import annotations

import triton
from torch import Tensor

from minimind_core.decoding import fused_kernels as kernels
from minimind_core.model.decode_attention import attend_splits
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import Layer, MiniMind

WARPS = 8
"""Of 32 threads a program. Eight were 7 % faster a step than four, and one 20 % slower (H200)."""
ROWS = 4
"""Rows of a matrix, or pairs of them, that a program multiplies: few, so that small ones fill the device."""


class FusedStep:
    """Logits of the next token, as the joined `model` of `step_model.py` gives them. Keeps its buffers."""

    def __init__(self, model: MiniMind) -> None:
        config, decoder = model.config, model.model
        assert decoder.rotary is not None, "checked before: positions are rotated"
        self.config, self.decoder, self.rotary = config, decoder, decoder.rotary
        self.head_weight = model.head_weight
        like = decoder.embed_tokens.weight
        self.hidden = like.new_empty(config.hidden_size)
        self.queries = like.new_empty(1, config.num_heads, 1, config.head_dim)
        self.gated = like.new_empty(config.intermediate_size)
        self.logits = like.new_empty(1, 1, config.vocab_size)
        self.row = {
            "WIDTH": config.hidden_size,
            "BLOCK": triton.next_power_of_2(config.hidden_size),
            "num_warps": WARPS,
        }
        self.normed_row = self.row | {"EPS": config.rms_norm_eps}

    def __call__(self, ids: Tensor, positions: Tensor, *, cache: StaticCache) -> Tensor:
        """ids and positions int64 [1, 1]: the token, and its position and slot. Returns logits [1, 1, V]."""
        embedding = self.decoder.embed_tokens.weight
        kernels.begin[(1,)](ids, positions, embedding, self.hidden, cache.positions, **self.row)
        for index, layer in enumerate(self.decoder.layers):
            self._attend(layer, positions.view(1), cache, cache.keys[index], cache.values[index])
            self._feed_forward(layer)
        programs = (self.config.vocab_size // ROWS,)
        kernels.score[programs](
            self.hidden, self.decoder.norm.weight, self.head_weight, self.logits, ROWS=ROWS, **self.normed_row
        )
        return self.logits

    def _attend(
        self, layer: Layer, position: Tensor, cache: StaticCache, keys: Tensor, values: Tensor
    ) -> None:
        config, attention = self.config, layer.self_attn
        heads = config.num_heads + 2 * config.num_kv_heads
        kernels.project_heads[(heads, config.head_dim // 2 // ROWS)](
            self.hidden,
            layer.input_layernorm.weight,
            attention.qkv_proj.weight,
            position,
            self.rotary.inv_freq,
            self.queries,
            keys,
            values,
            keys.stride(1),
            FACTOR=self.rotary.attention_factor,
            NUM_HEADS=config.num_heads,
            NUM_KV_HEADS=config.num_kv_heads,
            HALF=config.head_dim // 2,
            PAIRS=ROWS,
            **self.normed_row,
        )
        parts = attend_splits(self.queries, keys, values, cache.positions, position, position)
        width = config.num_heads * config.head_dim
        kernels.add_attention[(config.hidden_size // ROWS,)](
            parts.sums,
            parts.largest,
            parts.totals,
            attention.o_proj.weight,
            self.hidden,
            SPLITS=parts.largest.shape[2],
            GROUP=config.group_size,
            HEAD_DIM=config.head_dim,
            WIDTH=width,
            BLOCK=triton.next_power_of_2(width),
            ROWS=ROWS,
            num_warps=WARPS,
        )

    def _feed_forward(self, layer: Layer) -> None:
        size = self.config.intermediate_size
        kernels.gate_and_up[(size // ROWS,)](
            self.hidden,
            layer.post_attention_layernorm.weight,
            layer.mlp.gate_up_proj.weight,
            self.gated,
            INTERMEDIATE=size,
            ROWS=ROWS,
            **self.normed_row,
        )
        kernels.add_down[(self.config.hidden_size // ROWS,)](
            self.gated,
            layer.mlp.down_proj.weight,
            self.hidden,
            WIDTH=size,
            BLOCK=triton.next_power_of_2(size),
            ROWS=ROWS,
            num_warps=WARPS,
        )


def can_fuse(model: MiniMind) -> bool:
    """Whether these kernels know the model: RoPE, no norm of queries and keys, no experts, even sizes."""
    config = model.config
    sizes = (config.hidden_size, config.intermediate_size, config.vocab_size, config.head_dim // 2)
    plain = config.position == "rope" and not config.qk_norm and not config.num_experts
    plain = plain and model.model.attention_kind == "sdpa"
    return plain and all(size % ROWS == 0 for size in sizes)
