"""How well a model predicts held-out text: loss, perplexity and bits per byte for each language.

Bits per byte compares models with different tokenizers; perplexity does not. Nothing is trained here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_core.errors import DataError
from minimind_core.model.minimind import MiniMind
from minimind_core.progress import OnProgress, unheard
from minimind_core.tokenizer import Tokenizer
from minimind_core.training.data import Document, encode_documents


@dataclass(frozen=True)
class LanguageScore:
    """Mean loss in nats a token, its exponential, and bits a byte of the scored text."""

    loss: float
    perplexity: float
    bits_per_byte: float
    tokens: int
    bytes: int


def evaluate(
    model: MiniMind,
    tokenizer: Tokenizer,
    documents: Iterable[Document],
    *,
    max_tokens: int,
    seq_len: int = 512,
    batch_size: int = 16,
    on_progress: OnProgress = unheard,
) -> dict[str, LanguageScore]:
    """Score at most `max_tokens` tokens a language in windows of `seq_len`, documents never mixed.

    Every token but the first of a document is predicted once, from at most seq_len - 1 before it in
    its window. `on_progress` is given the windows scored so far and all of them. Raises DataError when no
    document has two tokens.
    """
    byte_lengths = np.array([len(tokenizer.token_bytes(i)) for i in range(tokenizer.vocab_size)])
    windows = _windows_by_language(tokenizer, documents, max_tokens, seq_len)
    scored, total = 0, sum(map(len, windows.values()))
    scores = {}
    for language, rows in windows.items():
        nats = tokens = num_bytes = 0.0
        for start in range(0, len(rows), batch_size):
            batch = rows[start : start + batch_size]
            nats += _summed_loss(model, batch)
            targets = np.concatenate([row[1:] for row in batch])
            tokens += len(targets)
            num_bytes += int(byte_lengths[targets].sum())
            scored += len(batch)
            on_progress(scored, total)
        loss = nats / tokens
        bits = nats / math.log(2) / max(num_bytes, 1)
        scores[language] = LanguageScore(loss, math.exp(loss), bits, int(tokens), int(num_bytes))
    if not scores:
        raise DataError("No held-out document has two tokens: nothing to score.")
    return scores


def _windows_by_language(
    tokenizer: Tokenizer, documents: Iterable[Document], max_tokens: int, seq_len: int
) -> dict[str, list[np.ndarray]]:
    """Rows of at most seq_len + 1 ids; the last id of a row is the first of the next."""
    rows: dict[str, list[np.ndarray]] = {}
    counts: dict[str, int] = {}
    for document in documents:
        left = max_tokens - counts.get(document.lang, 0)
        if left <= 0:
            continue
        [encoded] = encode_documents([document], tokenizer, eos=False)
        ids = np.array(encoded[: left + 1])
        for start in range(0, len(ids) - 1, seq_len):
            rows.setdefault(document.lang, []).append(ids[start : start + seq_len + 1])
        counts[document.lang] = counts.get(document.lang, 0) + len(ids) - 1
    return rows


@torch.inference_mode()
def _summed_loss(model: MiniMind, rows: list[np.ndarray]) -> float:
    device = model.device
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), -100)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.from_numpy(row)
    ids = ids.to(device)
    logits: Tensor = model(ids[:, :-1].clamp(min=0))  # right padding is after every scored token
    return float(
        F.cross_entropy(
            logits.flatten(0, 1).float(), ids[:, 1:].flatten(), ignore_index=-100, reduction="sum"
        )
    )
