"""The claim of Question 3 about the core itself: one matrix for embedding and head. Imports torch."""

from __future__ import annotations

from labs.claims.checks import Check
from labs.tools.models import TINY
from minimind_core.model.minimind import MiniMind


def one_matrix() -> dict[str, int | bool]:
    """Do head and embedding lie at one address, and how many parameters has the head of its own?"""
    model = MiniMind(TINY)
    embedding = model.model.embed_tokens.weight
    body = sum(weight.numel() for name, weight in model.named_parameters() if "embed_tokens" not in name)
    everything = sum(weight.numel() for weight in model.parameters())
    assert MiniMind(TINY.replace(tie_word_embeddings=False)).head_weight.numel() == embedding.numel()
    return {
        "shares_memory": model.head_weight.data_ptr() == embedding.data_ptr(),
        "added": everything - body - embedding.numel(),
    }


CHECKS: dict[str, Check] = {"Q3-C2": one_matrix}
