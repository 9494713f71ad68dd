"""A few layers that read a prompt with fused attention and with attention written out. Imports torch."""

from __future__ import annotations

import torch
from torch import Tensor

from labs.tools.created_bytes import created_bytes
from labs.tools.models import untrained
from minimind_core.device import DTYPES
from minimind_core.model.attention import attend
from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import Decoder


def two_ways(config: ModelConfig, layers: int, device: str, dtype: str) -> dict[str, Decoder]:
    """Decoders without a head, ids [B, T] -> hidden [B, T, C]; both have the same weights."""
    found = {}
    for name, kind in (("fused", "sdpa"), ("written", "eager")):
        model = untrained(config.replace(num_layers=layers), device).to(DTYPES[dtype]).eval()
        found[name] = model.use_attention(kind).model
    return found


@torch.inference_mode()
def read(decoder: Decoder, ids: Tensor) -> Tensor:
    """ids [B, T] -> hidden [B, T, C]."""
    return decoder(ids)


@torch.inference_mode()
def attention_bytes(decoder: Decoder, batch: int, length: int) -> int:
    """New memory that the attention of one layer asks for on a prompt of that length."""
    config, weight = decoder.config, decoder.embed_tokens.weight
    queries = weight.new_zeros(batch, config.num_heads, length, config.head_dim)
    keys = weight.new_zeros(batch, config.num_kv_heads, length, config.head_dim)
    kind = decoder.layers[0].self_attn.kind
    return created_bytes(lambda: attend(queries, keys, keys, None, kind))
