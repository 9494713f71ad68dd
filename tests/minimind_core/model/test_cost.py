"""Costs counted on paper equal what torch counts on real models."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from minimind_core.model import cost
from minimind_core.model.config import PRESETS, ModelConfig
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind
from tests.minimind_core.checkpoint_samples import TINY, random_ids, random_model

SHAPES = {
    "gqa": TINY,
    "mha": TINY.replace(num_kv_heads=4),
    "mqa, untied": TINY.replace(num_kv_heads=1, tie_word_embeddings=False),
    "learned, qk_norm": TINY.replace(position="learned", qk_norm=True),
    "alibi": TINY.replace(position="alibi", num_layers=3),
    "experts": TINY.replace(num_experts=4, num_experts_per_tok=2, n_shared_experts=1),
}
MINIMIND2_MOE = ModelConfig(
    hidden_size=640,
    head_dim=80,
    intermediate_size=1728,
    num_experts=4,
    num_experts_per_tok=2,
    n_shared_experts=1,
)
MINIMIND3_MOE = ModelConfig(
    hidden_size=768, num_kv_heads=4, head_dim=96, intermediate_size=2432, qk_norm=True, num_experts=4
)


@pytest.fixture(params=SHAPES)
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return SHAPES[request.param]


@pytest.mark.parametrize("name", [*PRESETS, *SHAPES])
def test_parameters_equal_those_of_the_built_model(name: str) -> None:
    config = {**PRESETS, **SHAPES}[name]
    with torch.device("meta"):
        model = MiniMind(config)
    total = sum(parameter.numel() for parameter in model.parameters())
    assert cost.num_parameters(config) == total == sum(cost.parameter_counts(config).values())
    assert cost.weight_bytes(config, 2) == 2 * total


def test_parameters_of_the_standard_shape() -> None:
    totals = {heads: cost.num_parameters(ModelConfig(num_kv_heads=heads)) for heads in (8, 4, 2, 1)}
    assert totals == {8: 28_975_616, 4: 26_878_464, 2: 25_829_888, 1: 25_305_600}
    assert cost.num_parameters(ModelConfig(tie_word_embeddings=False)) == 29_106_688
    assert cost.num_parameters(ModelConfig(intermediate_size=1365)) == 25_301_504
    parts = cost.parameter_counts(ModelConfig())
    assert parts == {
        "embedding": 3_276_800,
        "positions": 0,
        "attention": 8 * 655_360,
        "feed_forward": 8 * 2_162_688,
        "router": 0,
        "norms": 17 * 512,
        "lm_head": 0,
    }


def test_parameters_of_the_published_mixtures() -> None:
    """As upstream names them: minimind2-moe 145M, minimind-3-moe 198M-A64M."""
    counts = [(cost.num_parameters(c), cost.active_parameters(c)) for c in (MINIMIND2_MOE, MINIMIND3_MOE)]
    assert [tuple(round(count / 1e6) for count in pair) for pair in counts] == [(145, 92), (198, 64)]
    dense = ModelConfig()
    assert cost.active_parameters(dense) == cost.num_parameters(dense)


def counted(model: MiniMind, *arguments: object, **options: object) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*arguments, **options)
    return counter.get_total_flops()


@pytest.mark.parametrize(("batch_size", "length"), [(2, 5), (1, 1), (3, 17)])
def test_forward_operations_equal_torchs_counter(config: ModelConfig, batch_size: int, length: int) -> None:
    model, ids = random_model(config).use_attention("eager"), random_ids(config, batch_size, length)
    assert counted(model, ids) == cost.forward_flops(config, batch_size, length)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.head(model.model(ids)[:, -1:])
    assert counter.get_total_flops() == cost.forward_flops(config, batch_size, length, "last")


def test_a_cached_step_costs_its_row_of_the_square() -> None:
    model = random_model().use_attention("eager")
    cache = StaticCache(TINY, 3, 20)
    step = counted(model, random_ids(batch_size=3, length=1), torch.tensor([7]), cache=cache)
    assert step == cost.decode_flops(TINY, 3, 20)  # the static cache attends over all its slots


def test_operations_of_the_standard_shape() -> None:
    config = ModelConfig()
    assert cost.forward_flops(config, 2, 5) == 517_242_880
    assert cost.forward_flops(config, 1, 1) == 51_658_752
    assert cost.forward_flops(config, 1, 512) == 30_735_859_712
    assert cost.forward_flops(config, 1, 16, "last") == 732_168_192
    assert cost.forward_flops(config, 1, 64, "last") == 2_959_343_616
    for length in (1, 5, 512):
        paper = 2 * length * (cost.num_parameters(config) - 17 * 512) + 4 * length**2 * 8 * 64 * 8
        assert cost.forward_flops(config, 1, length) == paper


def test_training_costs_three_forwards_of_causal_pairs() -> None:
    config, length = ModelConfig(), 512
    pairs = length * (length + 1) // 2
    forward = 2 * length * sum(cost.matmul_parameters(config).values())
    forward += cost.attention_flops_per_pair(config) * pairs
    assert cost.training_flops_per_token(config, length) == 3 * forward // length


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_cache_bytes_equal_the_allocated_tensors(config: ModelConfig, dtype: torch.dtype) -> None:
    cache = StaticCache(config, 3, 50, dtype=dtype)
    allocated = sum(tensor.nbytes for tensor in [*cache.keys, *cache.values])
    assert cost.kv_cache_bytes(config, 3, 50, dtype.itemsize) == allocated


def test_cache_bytes_of_the_standard_shape() -> None:
    config = ModelConfig()
    assert cost.kv_cache_bytes(config, 1, 1) == 4096
    assert cost.kv_cache_bytes(config, 1, 611) == 2_502_656
    assert cost.kv_cache_bytes(config, 32, 611) == 80_084_992
    assert cost.kv_cache_bytes(config.replace(num_kv_heads=8), 1, 1) == 16_384
