"""Reading prompts into a cache, a long one in chunks, between which somebody is asked whether to go on.

A prompt of ordinary length is one chunk, read as it always was. Chooses nothing and keeps no step.

Shapes: B rows, T tokens of the longest prompt, t tokens of a chunk, C hidden_size.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from minimind_core.decoding.cpu_products import prompt_products
from minimind_core.model.kv_cache import EMPTY, StaticCache
from minimind_core.model.minimind import MiniMind
from minimind_core.progress import OnProgress, unheard

CHUNK_TOKENS = {"cpu": 1024, "mps": 8192, "cuda": 131_072}
"""Tokens of all rows that are read at once: about a second of work, so that a cancel is heard in time."""
CHUNK_SCORES = {"cpu": 2**24, "mps": 2**26, "cuda": 2**28}
"""Attention scores of a head that a later chunk may have, as its mask takes memory for each of them."""


def read_in_chunks(
    model: MiniMind,
    ids: Tensor,
    lengths: Sequence[int],
    cache: StaticCache,
    on_progress: OnProgress = unheard,
) -> Iterator[tuple[int, Tensor]]:
    """Read ids int64 [B, T] into the empty `cache`; yields the first slot and hidden [B, t, C] of each chunk.

    What comes after the first `lengths` tokens of a row is padding and may be any id. Before every chunk
    `on_progress` is given the tokens of a row read so far and T; it may raise.
    """
    rows, length = ids.shape
    slots = torch.arange(length, device=ids.device)  # [T]
    # without padding nothing but the prompt is visible, which has a faster kernel
    padded = min(lengths) < length
    ends = torch.tensor(lengths, device=ids.device)[:, None]  # [B, 1]
    positions = torch.where(slots < ends, slots, EMPTY) if padded else slots  # [B, T] or [T]
    for start, end in _chunks(rows, length, model.config.num_heads, ids.device.type):
        on_progress(start, length)
        chunk = slice(start, end)
        fresh = start == 0 and not padded
        where = None if fresh else positions[..., chunk]
        with prompt_products(ids.device):
            hidden = model.model(ids[:, chunk], where, slots[chunk], cache=cache.first(end))
        yield start, hidden


def _chunks(rows: int, length: int, num_heads: int, device: str) -> Iterator[tuple[int, int]]:
    """Start and end of each chunk: nearly equal ones, the more the longer the prompt."""
    most = max(1, CHUNK_TOKENS[device] // rows)
    if length > most:
        most = max(1, min(most, CHUNK_SCORES[device] // (rows * num_heads * length)))
    count = -(-length // most)
    edges = [length * index // count for index in range(count + 1)]
    return itertools.pairwise(edges)
