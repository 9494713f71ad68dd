"""From a trained MHA model to fewer KV heads: mean-pooled projections (Ainslie et al. 2023), then training.

Trains a copy; the model it is given stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from labs.tools.heldout import Stretches
from minimind_core.model.minimind import MiniMind
from minimind_core.training.trainer import StepRecord, Trainer
from minimind_core.training.training_config import TrainingConfig

BATCH_SIZE, LENGTH = 4, 128
"""One update: 512 tokens."""
WARMUP = 5


def pooled(model: MiniMind, kv_heads: int) -> MiniMind:
    """A copy whose KV heads are the means of neighbouring groups. The same heads: the same function."""
    config = model.config.replace(num_kv_heads=kv_heads)
    state = {
        name: pool_heads(tensor, model.config.num_kv_heads, kv_heads)
        if name.endswith(("k_proj.weight", "v_proj.weight"))
        else tensor
        for name, tensor in model.state_dict().items()
    }
    return _loaded(model, config, state)


def duplicated(model: MiniMind) -> MiniMind:
    """A copy with a KV head for every query head, made of copies side by side: the same function."""
    config = model.config.replace(num_kv_heads=model.config.num_heads)
    state = {
        name: _copied_heads(tensor, model.config.num_kv_heads, model.config.group_size)
        if name.endswith(("k_proj.weight", "v_proj.weight"))
        else tensor
        for name, tensor in model.state_dict().items()
    }
    return _loaded(model, config, state)


def pool_heads(weight: Tensor, heads: int, kept: int) -> Tensor:
    """[heads * D, C] -> [kept * D, C], each the mean of heads / kept neighbours."""
    assert heads % kept == 0, (heads, kept)
    width = weight.shape[0] // heads
    return weight.view(kept, heads // kept, width, -1).mean(1).flatten(0, 1)


def uptrained(model: MiniMind, rows: Tensor, steps: int, learning_rate: float) -> Iterator[StepRecord]:
    """Train `model` in place on rows int64 [N, LENGTH + 1]; yields every update."""
    if steps == 0:
        return
    settings = TrainingConfig(
        steps=steps,
        batch_size=BATCH_SIZE,
        seq_len=LENGTH,
        learning_rate=learning_rate,
        warmup_steps=min(WARMUP, steps),
        schedule="constant",
    )
    yield from Trainer(model, Stretches(rows, BATCH_SIZE), settings).steps()
    model.eval()


def _copied_heads(weight: Tensor, heads: int, n_rep: int) -> Tensor:
    width = weight.shape[0] // heads
    return weight.view(heads, width, -1).repeat_interleave(n_rep, dim=0).flatten(0, 1)


def _loaded(model: MiniMind, config: object, state: dict[str, Tensor]) -> MiniMind:
    weight = model.model.embed_tokens.weight
    with torch.random.fork_rng(devices=[]):
        copy = MiniMind(config)  # type: ignore[arg-type]
    copy.load_state_dict(state)
    return copy.to(weight.device, torch.float32).eval()
