"""The kernels of one decode step against the plain model, on the GPU that they are written for."""

from __future__ import annotations

import pytest
import torch

from minimind_core.decoding.step_model import make_step_model
from minimind_core.model.config import ModelConfig
from minimind_core.model.decode_attention import is_available
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind

CONFIG = ModelConfig(
    vocab_size=128,
    hidden_size=96,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=32,
    intermediate_size=136,
    max_length=256,
)
"""Widths that are no power of two; more tokens than one block of the attention kernel."""
CUDA = torch.device("cuda")

pytestmark = pytest.mark.skipif(
    not is_available(CUDA, 2, 32) or not torch.cuda.is_available(), reason="needs a GPU and triton"
)


def spread_out(config: ModelConfig, dtype: torch.dtype) -> MiniMind:
    """Random weights large enough for logits that differ."""
    torch.manual_seed(0)
    model = MiniMind(config).eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data *= 3
    return model.to(CUDA, dtype)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float16, 1e-2), (torch.bfloat16, 6e-2)]
)
@pytest.mark.parametrize(
    "changes", [{}, {"num_kv_heads": 4}, {"num_kv_heads": 1}, {"tie_word_embeddings": False}]
)
@torch.inference_mode()
def test_the_kernels_give_the_logits_and_the_cache_of_the_model(
    dtype: torch.dtype, tolerance: float, changes: dict[str, int]
) -> None:
    config = CONFIG.replace(**changes)
    model = spread_out(config, dtype)
    fused = make_step_model(model, batch_size=1)
    assert not isinstance(fused, MiniMind)
    caches = [StaticCache(config, 1, 192, CUDA, dtype) for _ in range(2)]
    prompt = torch.randint(0, config.vocab_size, (1, 70), device=CUDA)
    for cache in caches:
        model.model(prompt, slots=torch.arange(70, device=CUDA), cache=cache)
    for position in range(70, 140):
        ids, positions = (torch.tensor([[value]], device=CUDA) for value in (position % 128, position))
        expected = model(ids, positions, cache=caches[0])
        found = fused(ids, positions, cache=caches[1])
        assert torch.allclose(found, expected, atol=tolerance, rtol=0), (found - expected).abs().max()
    assert torch.equal(caches[0].positions, caches[1].positions)
    theirs, ours = (cache.keys + cache.values for cache in caches)
    for held, expected in zip(ours, theirs, strict=True):
        assert torch.allclose(held, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("changes", [{"qk_norm": True}, {"position": "alibi"}, {"position": "none"}])
def test_models_that_the_kernels_do_not_know_are_compiled(changes: dict[str, str]) -> None:
    assert isinstance(make_step_model(spread_out(CONFIG.replace(**changes), torch.float32), 1), MiniMind)
