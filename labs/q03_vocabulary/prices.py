"""What a vocabulary costs a model of some shape: parameters, operations, bytes. Plain integers, no torch."""

from __future__ import annotations

from typing import Any

from labs.contract.fields import choice, switch, whole
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import (
    attention_flops_per_pair,
    matmul_parameters,
    num_parameters,
    parameter_counts,
    weight_bytes,
)
from minimind_core.tokenizer import SMALLEST_VOCAB
from questions import load_question

MEGA = 10**6
QUESTION = load_question("q03_vocabulary")
OURS, LARGE = 6_400, 100_000
MOST_ENTRIES = 262_144
WIDTHS = (128, 256, 512, 1024, 2048)
BATCH, POSITIONS = 32, 511
"""Rows and scored positions of a training batch whose logits are counted."""
TRAINING_BYTES = 16
"""A parameter with its gradient and AdamW's two moments, all in FP32."""
HEAD_DIM, FFN_RATIO = 64, 2.75


Operations = dict[str, float]
"""Of one forward pass, in millions: those of "layers", "attention" and "head"."""


def vocab_size(**options: Any) -> Any:
    """The field for the entries of a vocabulary."""
    return whole(
        LARGE,
        SMALLEST_VOCAB,
        MOST_ENTRIES,
        low_sentence=f"Byte-level BPE needs 256 byte symbols plus 3 specials; {SMALLEST_VOCAB} is the floor.",
        **options,
    )


def hidden(**options: Any) -> Any:
    """The field for the width of the model."""
    return choice(512, WIDTHS, **options)


def layers(**options: Any) -> Any:
    """The field for the depth of the model."""
    return whole(8, 1, 48, **options)


def tied(**options: Any) -> Any:
    """The field for whether embedding and head are one matrix."""
    return switch(True, **options)


def shape(vocab: int, width: int = 512, depth: int = 8, one_matrix: bool = True) -> ModelConfig:
    """A model of our proportions: heads of 64, four query heads to a KV head, an FFN of 2.75 widths.

    >>> num_parameters(shape(6400))
    25829888
    """
    heads = width // HEAD_DIM
    return ModelConfig(
        vocab_size=vocab,
        hidden_size=width,
        num_layers=depth,
        num_heads=heads,
        num_kv_heads=max(1, heads // 4),
        head_dim=HEAD_DIM,
        intermediate_size=round(FFN_RATIO * width),
        tie_word_embeddings=one_matrix,
    )


def operations(config: ModelConfig, tokens: int, with_logits: int) -> Operations:
    """A forward pass over one text whose head is applied at `with_logits` positions.

    >>> sum(operations(shape(6400), 5, 5).values())
    258.62144
    """
    weights = matmul_parameters(config)
    return {
        "layers": 2 * tokens * weights["layers"] / MEGA,
        "attention": attention_flops_per_pair(config) * tokens**2 / MEGA,
        "head": 2 * with_logits * weights["head"] / MEGA,
    }


def read_megabytes(config: ModelConfig) -> float:
    """What a decode step for one text reads of the weights in 16 bits; of a lookup one row is nothing."""
    lookup = 0 if config.tie_word_embeddings else parameter_counts(config)["embedding"]
    return (weight_bytes(config) - 2 * lookup) / MEGA


def training_megabytes(config: ModelConfig) -> float:
    """Weights, gradients and AdamW's moments in FP32."""
    return TRAINING_BYTES * num_parameters(config) / MEGA


def logits_megabytes(entries: int) -> float:
    """The logits of one training batch, written out in FP32."""
    return BATCH * POSITIONS * entries * 4 / MEGA
