"""How far a run goes on this device, on which text, and what is said where it cannot. Imports torch."""

from __future__ import annotations

import torch
from torch import Tensor

from labs.contract.columns import DEFAULT_MODEL, Context
from labs.q07_rope.params import LIVE_REACH, LengthsParams
from labs.tools import heldout
from minimind_core.errors import ConfigError, DataError
from minimind_core.files.checkpoint import LoadedModel
from minimind_core.tokenizer import Tokenizer

REACHES = (8192, 4096, LIVE_REACH)
BIAS_HEADS = 8
"""Of the specimen with ALiBi, which writes a bias out for every head and pair of tokens."""
LONGEST_TRAINED = 512
"""Checkpoints that were trained on more begin here as well."""


def rope_model(ctx: Context, name: str | None = None) -> LoadedModel:
    """The specimen of that name; the checkpoint that the user chose for none or for the 26M.

    Raises ConfigError for one without RoPE.
    """
    loaded: LoadedModel = ctx.model(None if name == DEFAULT_MODEL else name)
    if loaded.config.position != "rope":
        raise ConfigError(
            f"{loaded.name} has {loaded.config.position} positions; choose a model with RoPE.",
            key="q07.no_rope",
            model=loaded.name,
            position=loaded.config.position,
        )
    return loaded


def lengths_for(params: LengthsParams, trained: int, device: str) -> tuple[tuple[int, ...], bool]:
    """The lengths that are read, doubling from the trained one, and whether the device stops earlier."""
    most = REACHES[0] if device == "cuda" else LIVE_REACH
    reach = min(params.reach or _comfortable(device), most)
    start = min(trained, LONGEST_TRAINED)
    steps = tuple(start << doubling for doubling in range(16) if start << doubling <= reach)
    return steps, params.reach > most


def long_documents(params: LengthsParams, tokenizer: Tokenizer, length: int, device: str) -> Tensor:
    """Stretches of `length` + 1 ids, int64 [D, length + 1]. Raises DataError where the text is too short."""
    count = params.documents_on(device)
    if not params.pasted.strip():
        return heldout.windows(tokenizer, heldout.held_out(params.text), count, length, params.seed)
    tokens = len(tokenizer.encode(params.pasted))
    if tokens < length:
        raise DataError(
            f"The pasted text has {tokens:,} tokens; chunks of {length:,} need more. "
            "Lower the longest length or paste more.",
            key="q07.pasted",
            tokens=tokens,
            length=length,
        )
    return heldout.windows(tokenizer, [params.pasted], count, length, params.seed)


def free_bytes(device: str) -> float:
    """Memory that a GPU has left."""
    return torch.cuda.mem_get_info()[0] if device == "cuda" else float("inf")


def _comfortable(device: str) -> int:
    """The longest chunks that the device is asked for unless somebody insists: four float32 biases fit."""
    if device != "cuda":
        return LIVE_REACH
    free = free_bytes(device)
    return next((reach for reach in REACHES if 4 * 4 * BIAS_HEADS * reach**2 <= free), LIVE_REACH)
