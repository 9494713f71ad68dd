"""ALiBi against transformers and against attention written out; grouped heads against a loop."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_core.model import attention
from minimind_core.model.attention import attend, causal_visibility, fuses_shared_heads
from minimind_core.model.minimind import MiniMind
from minimind_core.model.positions import alibi_slopes
from tests.minimind_core.checkpoint_samples import TINY, random_ids, random_model
from tests.minimind_core.llama_twins import difference

bloom = pytest.importorskip("transformers.models.bloom.modeling_bloom")


@pytest.mark.parametrize("num_heads", [1, 2, 3, 4, 5, 8, 12, 16, 20])
def test_slopes_equal_transformers(num_heads: int) -> None:
    theirs = bloom.build_alibi_tensor(torch.ones(1, 2), num_heads, torch.float32)  # slope * position
    assert torch.allclose(alibi_slopes(num_heads), theirs[:, 0, 1], rtol=1e-6)


def written_out(model: MiniMind, ids: Tensor) -> Tensor:
    """ALiBi logits of ids [T], one head and one query after the other, from the weights alone."""
    weights, config = model.state_dict(), model.config
    length, group = len(ids), config.group_size
    slopes = [2 ** (-8 * (head + 1) / config.num_heads) for head in range(config.num_heads)]

    def norm(x: Tensor, name: str) -> Tensor:
        return x / (x.pow(2).mean(-1, keepdim=True) + config.rms_norm_eps).sqrt() * weights[name]

    hidden = weights["model.embed_tokens.weight"][ids]
    for layer in range(config.num_layers):
        prefix = f"model.layers.{layer}."
        part = {name: weights[f"{prefix}self_attn.{name}_proj.weight"] for name in "qkvo"}
        x = norm(hidden, prefix + "input_layernorm.weight")
        queries, keys, values = ((x @ part[name].T).view(length, -1, config.head_dim) for name in "qkv")
        heads = torch.zeros(length, config.num_heads, config.head_dim)
        for head in range(config.num_heads):
            for i in range(length):
                scores = keys[: i + 1, head // group] @ queries[i, head] / config.head_dim**0.5
                scores -= slopes[head] * torch.arange(i, -1, -1)
                heads[i, head] = scores.softmax(0) @ values[: i + 1, head // group]
        hidden = hidden + heads.flatten(1) @ part["o"].T
        x = norm(hidden, prefix + "post_attention_layernorm.weight")
        gate, up, down = (weights[f"{prefix}mlp.{name}_proj.weight"] for name in ("gate", "up", "down"))
        hidden = hidden + (F.silu(x @ gate.T) * (x @ up.T)) @ down.T
    return norm(hidden, "model.norm.weight") @ weights["model.embed_tokens.weight"].T


def test_alibi_logits_equal_those_written_out() -> None:
    model, ids = random_model(TINY.replace(position="alibi")), random_ids(batch_size=1, length=20)
    with torch.no_grad():
        assert difference(model(ids)[0], written_out(model, ids[0])) < 1e-4


@pytest.mark.parametrize("kind", ["sdpa", "eager"])
@pytest.mark.parametrize("num_kv_heads", [1, 2, 4])
@pytest.mark.parametrize("masked", [False, True])
def test_heads_of_a_group_share_their_keys(kind: str, num_kv_heads: int, masked: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(2, 4, 6, 8, generator=generator)
    keys, values = torch.randn(2, 2, num_kv_heads, 6, 8, generator=generator)
    visible = torch.ones(6, 6, dtype=torch.bool).tril()
    if masked:
        visible &= torch.rand(6, 6, generator=generator) > 0.5
        visible.fill_diagonal_(True)
    mask = visible[None, None] if masked else None
    attended = attend(queries, keys, values, mask, "sdpa" if kind == "sdpa" else "eager")
    for head in range(4):
        shared = head // (4 // num_kv_heads)
        scores = queries[:, head] @ keys[:, shared].transpose(1, 2) / 8**0.5
        weights = scores.masked_fill(~visible, -torch.inf).softmax(-1)
        assert difference(attended[:, head], weights @ values[:, shared]) < 1e-5


@pytest.mark.parametrize("num_kv_heads", [1, 2])
def test_heads_that_are_copied_for_a_kernel_are_the_shared_ones(
    num_kv_heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(2, 4, 6, 8, generator=generator)
    keys, values = torch.randn(2, 2, num_kv_heads, 6, 8, generator=generator)
    asked: list[tuple[torch.Size, bool]] = []
    fused = F.scaled_dot_product_attention

    def watched(queries: Tensor, keys: Tensor, values: Tensor, **how: Any) -> Tensor:
        asked.append((keys.shape, how["enable_gqa"]))
        return fused(queries, keys, values, **how)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    shared = attend(queries, keys, values, None, "sdpa")
    monkeypatch.setattr(attention, "fuses_shared_heads", lambda device, dtype: False)
    copied = attend(queries, keys, values, None, "sdpa")
    assert difference(copied, shared) < 1e-6
    assert asked == [(keys.shape, True), (queries.shape, False)]


def test_only_cuda_in_fp32_lacks_a_kernel_for_shared_heads() -> None:
    assert not fuses_shared_heads("cuda", torch.float32)
    assert fuses_shared_heads("cuda", torch.bfloat16) and fuses_shared_heads("cuda", torch.float16)
    assert fuses_shared_heads("cpu", torch.float32)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_scores_are_written_on_a_gpu(dtype: torch.dtype) -> None:
    queries = torch.zeros(1, 8, 2048, 64, device="cuda", dtype=dtype)
    keys = queries[:, :2]
    attend(queries, keys, keys, None, "sdpa")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    attend(queries, keys, keys, None, "sdpa")
    scores = 8 * 2048**2 * dtype.itemsize
    assert torch.cuda.max_memory_allocated() - before < scores / 2


def test_who_may_look_where() -> None:
    visible = causal_visibility(torch.tensor([[2, 0, -1]]), torch.tensor([[1, -1, 2, 0, 3]]))[0, 0]
    assert visible.int().tolist() == [[1, 0, 1, 1, 0], [0, 0, 0, 1, 0], [1, 1, 1, 1, 1]]
