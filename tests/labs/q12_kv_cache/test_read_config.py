"""A config.json against the cache that transformers makes of it, and what cannot be read in one sentence."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import torch
import transformers

from labs.contract import ParamError
from labs.q12_kv_cache.cache_sizes import MODELS, Attention, mistakes, variants
from labs.q12_kv_cache.memory import MemoryParams
from labs.q12_kv_cache.read_config import EXAMPLE, attention_of
from tests.labs.one_lab import REGISTRY, OneLab

TOKENS = 11
SMALL = {
    "vocab_size": 64,
    "hidden_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "pad_token_id": 0,
}
SHARED = {"num_key_value_heads": 2, "head_dim": 8}
EXPERTS = {"num_experts": 2, "num_local_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 16}
MAKERS: dict[str, dict[str, Any]] = {
    "llama": {**SMALL, "num_key_value_heads": 2},
    "qwen3": {**SMALL, **SHARED},
    "mistral": {**SMALL, **SHARED, "sliding_window": 5},
    "gemma2": {**SMALL, **SHARED, "sliding_window": 5},
    "gemma3_text": {**SMALL, **SHARED, "sliding_window": 5, "num_hidden_layers": 7},
    "gpt2": {"vocab_size": 64, "n_embd": 48, "n_layer": 3, "n_head": 4},
    "falcon": {**SMALL, "multi_query": True, "new_decoder_architecture": False},
    "gpt_oss": {**SMALL, **SHARED, **EXPERTS, "sliding_window": 5},
    "qwen3_next": {
        **SMALL,
        **SHARED,
        **EXPERTS,
        "shared_expert_intermediate_size": 16,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 2,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
    },
}
LATENT = {
    **SMALL,
    "kv_lora_rank": 12,
    "q_lora_rank": 8,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 8,
    "v_head_dim": 6,
    "num_key_value_heads": 4,
    "first_k_dense_replace": 4,
    "n_routed_experts": 4,
    "n_group": 1,
    "topk_group": 1,
    "num_experts_per_tok": 1,
}


def held(kind: str, settings: dict[str, Any]) -> tuple[int, str]:
    """Keys and values that transformers keeps of a text of TOKENS tokens, and the model's config.json."""
    config = transformers.AutoConfig.for_model(kind, **settings)
    with torch.random.fork_rng():
        model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        cache = model(torch.ones(1, TOKENS, dtype=torch.int64), use_cache=True).past_key_values
    kept = [(getattr(layer, "keys", None), getattr(layer, "values", None)) for layer in cache.layers]
    tensors = [tensor for pair in kept for tensor in pair if isinstance(tensor, torch.Tensor)]
    return sum(tensor.numel() for tensor in tensors), config.to_json_string(use_diff=False)


@pytest.mark.parametrize("kind", MAKERS)
def test_the_cache_is_as_large_as_transformers_makes_it(kind: str) -> None:
    numbers, text = held(kind, MAKERS[kind])
    model = attention_of(text)
    if model.window:  # transformers keeps one token less, for the newest is its own neighbour
        model = dataclasses.replace(model, window=model.window - 1)
    assert model.numbers(TOKENS) == numbers > 0


def test_a_latent_is_as_wide_as_its_config_says_and_no_wider() -> None:
    numbers, text = held("deepseek_v3", LATENT)
    model = attention_of(text)
    assert model.numbers(TOKENS) == numbers == TOKENS * 4 * (12 + 4)
    assert mistakes(model, TOKENS)["expanded"] == TOKENS * 4 * 4 * (8 + 4 + 6)


def test_published_configs_are_those_of_the_list() -> None:
    """What the makers of two models with sizes of their own publish."""
    deepseek = {
        "num_hidden_layers": 61,
        "num_attention_heads": 128,
        "num_key_value_heads": 128,
        "hidden_size": 7168,
        "kv_lora_rank": 512,
        "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128,
        "v_head_dim": 128,
    }
    read, known = attention_of(json.dumps(deepseek)), MODELS["deepseek-v3"]
    assert read.numbers(9) == known.numbers(9) and read.expanded_width() == known.expanded_width()
    gemma = {
        "num_hidden_layers": 62,
        "num_attention_heads": 32,
        "num_key_value_heads": 16,
        "head_dim": 128,
        "hidden_size": 5376,
        "sliding_window": 1024,
        "sliding_window_pattern": 6,
    }
    assert attention_of(json.dumps({"text_config": gemma})).numbers(9000) == MODELS["gemma-3-27b"].numbers(
        9000
    )
    hybrid = {**json.loads(EXAMPLE), "num_hidden_layers": 48, "full_attention_interval": 4}
    assert (attention_of(json.dumps(hybrid)).layers, MODELS["qwen3-next-80b"].layers) == (12, 12)


@pytest.mark.parametrize(
    ("more", "layers"),
    [
        ({"num_kv_shared_layers": 15}, 21),
        ({"attn_layer_period": 8, "attn_layer_offset": 4}, 4),
        ({"layers_block_type": ["mamba", "attention", "mamba"] * 12}, 12),
        ({"layer_types": ["full_attention"] * 36}, 36),
    ],
)
def test_layers_without_a_cache_of_their_own_are_not_counted(more: dict[str, Any], layers: int) -> None:
    model = attention_of(json.dumps({**json.loads(EXAMPLE), **more}))
    assert model.numbers(10) == 10 * 2 * 8 * 128 * layers and model.all_layers == 36
    wrong = mistakes(model, 10).get("every_layer")
    assert wrong == (None if layers == 36 else 10 * 2 * 8 * 128 * 36)


@pytest.mark.parametrize(
    ("more", "local"),
    [
        ({"use_sliding_window": False, "sliding_window": 4096}, 0),
        ({"use_sliding_window": True, "sliding_window": 4096, "max_window_layers": 30}, 6),
        ({"sliding_window": None}, 0),
        ({"sliding_window": 4096}, 36),
    ],
)
def test_a_window_counts_where_it_is_used(more: dict[str, Any], local: int) -> None:
    model = attention_of(json.dumps({**json.loads(EXAMPLE), **more}))
    assert model.slots(10_000) == (36 - local) * 10_000 + local * 4096


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "This is no config.json"),
        ("[1]", "This is no config.json"),
        ("{" * 9000, "This is no config.json"),
        ('{"text_config": 3}', "has no num_hidden_layers"),
        ('{"num_hidden_layers": 4, "n_head": 2}', "has no hidden_size"),
        ('{"num_hidden_layers": true}', "num_hidden_layers is True"),
        ('{"num_hidden_layers": 0}', "num_hidden_layers is 0"),
        ('{"num_hidden_layers": 1e9}', "num_hidden_layers is 1000000000.0"),
        ('{"num_hidden_layers": "' + "9" * 500 + '"}', "num_hidden_layers is '999"),
        (EXAMPLE.replace("8,", "-8,", 1), "num_key_value_heads is -8"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(text: str, words: str) -> None:
    with pytest.raises(ParamError) as refused:
        MemoryParams(model="config", own_config=text)
    assert words in str(refused.value) and len(str(refused.value)) < 160
    MemoryParams(own_config=text)  # nobody asks for it


def test_the_calculator_takes_it(lab: OneLab) -> None:
    experiment = REGISTRY.find("q12/memory")
    config = json.dumps({**json.loads(EXAMPLE), "full_attention_interval": 3})
    params = MemoryParams(model="config", own_config=config, tokens=100)
    seen = experiment.complete(params, experiment.formula(params))
    assert seen["view"]["bytes"] == 2 * 100 * 12 * 2 * 8 * 128
    assert set(seen["view"]["variants"]) == set(variants(Attention(1, 1, 1, 1, 1), 1))
    assert "Layers with keys and values of their own: 12 of 36." in " ".join(lab.show("memory", seen).notes)
