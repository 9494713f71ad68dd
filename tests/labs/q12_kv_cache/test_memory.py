"""The calculator against published configs, its own tensors, and the mistakes that it names."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from labs.q12_kv_cache import claims
from labs.q12_kv_cache.cache_sizes import MODELS, Attention, mistakes, variants
from labs.q12_kv_cache.memory import MemoryParams, ours_measured
from minimind_core.model.config import ModelConfig
from minimind_core.model.kv_cache import StaticCache
from tests.labs.one_lab import REGISTRY, OneLab


@pytest.fixture(scope="module")
def result(lab: OneLab) -> dict[str, Any]:
    return lab.result("memory", read=9)


@pytest.mark.parametrize(
    ("name", "kilobytes"),
    [
        ("minimind-26m", 4),
        ("llama-2-7b", 512),
        ("llama-3.1-8b", 128),
        ("llama-3.1-70b", 320),
        ("qwen3-0.6b", 112),
        ("falcon-7b", 8),
        ("deepseek-v3", 68.625),
    ],
)
def test_a_token_in_16_bits(name: str, kilobytes: float) -> None:
    assert 2 * MODELS[name].numbers(1) == 1024 * kilobytes


def test_a_window_keeps_its_tokens_and_no_more() -> None:
    gemma = MODELS["gemma-3-27b"]
    assert gemma.numbers(1024) == 62 * 1024 * 2 * 16 * 128
    assert gemma.numbers(131_072) == (10 * 131_072 + 52 * 1024) * 2 * 16 * 128
    ours = Attention(8, 8, 2, 64, 512, window=512, global_layers=2)
    assert 100 * ours.numbers(32_768) / MODELS["minimind-26m"].numbers(32_768) == claims.windowed()


def test_a_mistake_is_named_where_it_is_one() -> None:
    factors = {
        name: {kind: wrong / model.numbers(8192) for kind, wrong in mistakes(model, 8192).items()}
        for name, model in MODELS.items()
    }
    assert factors["llama-2-7b"] == {"keys_only": 0.5}
    assert factors["llama-3.1-8b"] == {"hidden": 4, "query_heads": 4, "keys_only": 0.5}
    assert factors["qwen3-0.6b"]["divided"] == 0.5  # head_dim is not hidden / heads there
    assert factors["gemma-3-27b"]["no_window"] == pytest.approx(62 / (10 + 52 / 8))
    assert factors["deepseek-v3"]["expanded"] == pytest.approx(40_960 / 576)
    assert factors["falcon-7b"]["hidden"] == 71


@pytest.mark.parametrize(("sharing", "heads"), [("mha", 8), ("gqa", 2), ("mqa", 1)])
def test_relatives_are_real_caches(sharing: str, heads: int) -> None:
    held = StaticCache(ModelConfig(num_kv_heads=heads), 1, 17, dtype=torch.bfloat16)
    assert held.nbytes == 2 * variants(MODELS["minimind-26m"], 17)[sharing]


def test_our_own_cache_stands_beside_its_formula(result: dict[str, Any], lab: OneLab) -> None:
    assert result["bytes"] == 9 * 4096 and result["per_token"] == 4096
    shown = lab.show("memory", result)
    assert shown.sentence == {"said": 10.010624, "formula": 2.502656, "measured": 2.502656, "unit": "MB"}
    *_, mark = shown.figures["mistakes"].data
    assert mark["meta"]["role"] == "measured" and mark["x"] == [2.502656]


def test_a_slider_needs_no_run(lab: OneLab) -> None:
    experiment = REGISTRY.find("q12/memory")
    params = MemoryParams(model="deepseek-v3", tokens=1000, rows=3, cache_type="fp8")
    seen = experiment.complete(params, experiment.formula(params))
    assert seen["view"]["bytes"] == 61 * 576 * 1000 * 3 and seen["view"]["sequences"] == 2276
    shown = lab.show("memory", seen)
    assert shown.sentence is None and len(shown.rows) == 1 + len(seen["view"]["mistakes"]) + 5


def test_ours_is_scaled_to_what_is_looked_at(lab: OneLab) -> None:
    seen = lab.result("memory", read=9, view={"tokens": 10, "rows": 2, "cache_type": "fp32"})
    assert ours_measured(seen) == seen["view"]["bytes"] == 8192 * 20  # type: ignore[arg-type]


def test_a_config_that_cannot_be_is_one_sentence(lab: OneLab) -> None:
    uneven = lab.refused("memory", own_query_heads=10, own_kv_heads=3)
    assert uneven == "10 query heads cannot be split evenly over 3 KV heads."
    layers = lab.refused("memory", own_layers=4, own_global_layers=5)
    assert layers == "Only 4 layers can be global, for there are no more."
