"""Our Triton kernels run by Triton's interpreter, on a CPU: how far they are from the plain model.

    TRITON_INTERPRET=1 python -m tests.minimind_core.interpreted_kernels

Prints the largest differences as JSON. A process of its own, for triton reads the variable when it is
imported. bf16 stays out: the interpreter computes in NumPy, which does not have it.
"""

from __future__ import annotations

import json
import os

import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_core.decoding.fused_step import FusedStep, can_fuse
from minimind_core.decoding.step_model import joined
from minimind_core.model import decode_attention
from minimind_core.model.attention import attend, causal_visibility
from minimind_core.model.config import ModelConfig
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind
from minimind_core.training import cross_entropy
from tests.minimind_core.checkpoint_samples import TINY

CONFIG = TINY.replace(vocab_size=32, hidden_size=24, head_dim=16, intermediate_size=40, max_length=128)
"""Widths that are no power of two."""
CAPACITY, PROMPT, STEPS = 96, 70, 2
"""More slots than one block of the attention kernel, of which the last is not full."""
BEYOND = 9
"""Slots behind those that a cache cut to its first ones shows: the kernels have to step over them."""


def attention(dtype: torch.dtype) -> dict[int, float]:
    """Differences by number of splits, of three rows with different lengths, one with an empty slot.

    Keys and values are the first slots of larger memory.
    """
    random = torch.Generator().manual_seed(0)
    queries = torch.randn(3, 4, 1, 16, generator=random).to(dtype)
    keys, values = torch.randn(2, 3, 2, CAPACITY + BEYOND, 16, generator=random).to(dtype)[..., :CAPACITY, :]
    positions = torch.tensor([[80], [64], [5]])
    key_positions = torch.arange(CAPACITY + BEYOND).repeat(3, 1)[:, :CAPACITY]
    key_positions[0, 7] = -1
    step = (key_positions, positions.flatten(), positions.flatten())
    expected = attend(queries, keys, values, causal_visibility(positions, key_positions), "sdpa")
    differences = {}
    for blocks_wanted in (256, 1):  # one block a split, then two
        decode_attention.BLOCKS_WANTED = blocks_wanted
        splits = decode_attention.attend_splits(queries, keys, values, *step).largest.shape[2]
        attended = decode_attention.decode_attention(queries, keys, values, *step)
        differences[splits] = difference(attended, expected)
    return differences


@torch.inference_mode()
def fused_step(config: ModelConfig) -> dict[str, float]:
    """Some steps after a prompt: differences of logits, and of the caches at the end."""
    torch.manual_seed(0)
    model = MiniMind(config).eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data *= 10  # logits that differ
    twin = joined(model)
    assert can_fuse(twin)
    step, caches = (
        FusedStep(twin),
        [StaticCache(config, 1, CAPACITY + BEYOND).first(CAPACITY) for _ in range(2)],
    )
    prompt = torch.randint(config.vocab_size, (1, PROMPT))
    for cache in caches:
        model.model(prompt, slots=torch.arange(PROMPT), cache=cache)
    logits = 0.0
    for position in range(PROMPT, PROMPT + STEPS):
        ids, positions = torch.tensor([[position % 32]]), torch.tensor([[position]])
        expected = model(ids, positions, cache=caches[0])
        logits = max(logits, difference(step(ids, positions, cache=caches[1]), expected))
    kept = zip(tensors(caches[0]), tensors(caches[1]), strict=True)
    return {"logits": logits, "cache": max(difference(one, other) for one, other in kept)}


def losses(dtype: torch.dtype) -> dict[str, float]:
    """Differences from torch of loss and gradient, the vocabulary in one part and in three.

    One position is not scored, another has infinite logits. The last one's target is no id.
    """
    random = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(6, 40, generator=random)).to(dtype).requires_grad_()
    targets = torch.tensor([0, 39, 7, cross_entropy.IGNORE, 5, 40])
    weights = torch.rand(6, generator=random)
    known = slice(0, 5)
    found = {}
    for most in (64, 16):
        cross_entropy.MOST_IDS = most
        loss = cross_entropy.token_losses(logits, targets)[0]
        gradient = torch.autograd.grad(loss, logits, weights)[0]
        assert loss[5].isnan() and gradient[5].isnan().all(), "a target that is no id"
        expected = F.cross_entropy(logits[known].float(), targets[known], reduction="none")
        right = torch.autograd.grad(expected, logits, weights[known])[0]
        found[f"loss, {most}"] = difference(loss[known], expected)
        found[f"gradient, {most}"] = difference(gradient[known].float(), right[known].float())
        spoilt = logits.detach().clone()
        spoilt[3, 2] = float("inf")
        spoilt.requires_grad_()
        losses = cross_entropy.token_losses(spoilt, targets)[0]
        assert losses[3] == 0, "it is not scored"
        ours = torch.autograd.grad(losses[known].sum(), spoilt)[0]
        theirs = torch.autograd.grad(
            F.cross_entropy(spoilt[known].float(), targets[known], reduction="sum"), spoilt
        )[0]
        assert torch.equal(ours[known].isnan(), theirs[known].isnan()) and ours[3].isnan().any()
    return found


def difference(left: Tensor, right: Tensor) -> float:
    return float((left - right).abs().max())


def tensors(cache: StaticCache) -> list[Tensor]:
    return [*cache.keys, *cache.values, cache.positions]


def main() -> None:
    """See the module's docstring."""
    assert os.environ["TRITON_INTERPRET"] == "1"
    torch.set_num_threads(1)
    attentions = {str(dtype): attention(dtype) for dtype in (torch.float16, torch.float32)}
    changes = ({}, {"num_kv_heads": 4}, {"num_kv_heads": 1, "tie_word_embeddings": False})
    steps = [fused_step(CONFIG.replace(**change)) for change in changes]
    losses_by_dtype = {str(dtype): losses(dtype) for dtype in (torch.float16, torch.float32)}
    print(json.dumps({"attention": attentions, "steps": steps, "losses": losses_by_dtype}))


if __name__ == "__main__":
    main()
