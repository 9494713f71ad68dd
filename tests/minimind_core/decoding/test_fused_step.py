"""The kernels of one decode step against the plain model: on the GPU that they are written for, and by
Triton's interpreter on any Linux.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from minimind_core.decoding.step_model import make_step_model
from minimind_core.model.config import ModelConfig
from minimind_core.model.decode_attention import is_available
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind
from tests.minimind_core.checkpoint_samples import TINY

CONFIG = TINY.replace(vocab_size=128, hidden_size=96, intermediate_size=136, max_length=256)
"""Widths that are no power of two; more tokens than one block of the attention kernel."""
CUDA = torch.device("cuda")

needs_gpu = pytest.mark.skipif(
    not is_available(CUDA, torch.float32, 2, 32) or not torch.cuda.is_available(),
    reason="needs a GPU and triton",
)
needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs triton")


def spread_out(config: ModelConfig, dtype: torch.dtype) -> MiniMind:
    """Random weights large enough for logits that differ."""
    torch.manual_seed(0)
    model = MiniMind(config).eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data *= 3
    return model.to(CUDA, dtype)


@needs_triton
@pytest.mark.skipif(torch.cuda.is_available(), reason="the kernels themselves run here")
def test_the_kernels_are_right_by_the_interpreter() -> None:
    """The logic of the kernels on a machine without a GPU; speed and bf16 need one."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.minimind_core.interpreted_kernels"],
        cwd=Path(__file__).resolve().parents[3],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    for dtype, tolerance in (("torch.float32", 1e-6), ("torch.float16", 1e-3)):
        by_splits = result["attention"][dtype]
        assert by_splits.keys() == {"1", "2"} and max(by_splits.values()) < tolerance
        assert len(result["losses"][dtype]) == 4 and max(result["losses"][dtype].values()) < tolerance
    assert len(result["steps"]) == 3
    assert all(step["logits"] < 1e-4 and step["cache"] < 1e-5 for step in result["steps"])


@needs_triton
def test_the_attention_kernel_compiles_for_each_dtype_that_it_is_chosen_for() -> None:
    """Sums are fp32: a dtype that would widen them, such as float64, is torch's to serve."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.minimind_core.compiled_kernels"],
        cwd=Path(__file__).resolve().parents[3],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert not any(result["said"].values()), result["said"]
    served = {dtype for dtype, used in result["chosen"].items() if used}
    assert served == {"torch.float32", "torch.bfloat16", "torch.float16"}


@needs_gpu
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


@needs_gpu
@pytest.mark.parametrize("changes", [{"qk_norm": True}, {"position": "alibi"}, {"position": "none"}])
def test_models_that_the_kernels_do_not_know_are_compiled(changes: dict[str, str]) -> None:
    assert isinstance(make_step_model(spread_out(CONFIG.replace(**changes), torch.float32), 1), MiniMind)
