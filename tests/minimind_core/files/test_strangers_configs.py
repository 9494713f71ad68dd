"""config.json as strangers have it: RoPE, ids and model types are read as their own programs do."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minimind_core.errors import ConfigError
from minimind_core.files.checkpoint import load_model
from minimind_core.files.hf_config import UPSTREAM_YARN, read_hf_config
from minimind_core.files.rope_dictionary import read_rope_dictionary
from minimind_core.model.config import EXPERT_FIELDS, ModelConfig, RopeScaling
from minimind_core.model.cost import active_parameters, num_parameters
from minimind_core.model.rope import scaled_inv_freq
from minimind_core.tokenizer import ByteTokenizer, load_tokenizer
from tests.minimind_core.checkpoint_samples import TINY, random_ids, random_state, sentence

HERE = Path("model")


def rope_of(**settings: Any) -> dict[str, Any]:
    return read_hf_config({"model_type": "llama", **settings}, HERE)


# --- RoPE ---


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, RopeScaling("yarn", 4.0, 2048)),
        (
            {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4}},
            RopeScaling("yarn", 4, 2048),
        ),
        (
            {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": None}},
            RopeScaling("yarn", 4.0, 2048),
        ),
        (
            {"rope_scaling": {"type": "yarn", "factor": 2, "beta_fast": None, "beta_slow": None}},
            RopeScaling("yarn", 2, 2048),
        ),
        (
            {"rope_scaling": {"type": "yarn", "factor": None, "original_max_position_embeddings": 512}},
            RopeScaling("yarn", 4.0, 512),
        ),
        (
            {"rope_scaling": {"type": "yarn", "factor": 2}, "original_max_position_embeddings": 256},
            RopeScaling("yarn", 2, 256),
        ),
        ({"rope_scaling": {"type": "linear", "factor": 4}}, RopeScaling("pi", 4, 512)),
        ({"rope_scaling": {"rope_type": "default"}}, None),
        ({"rope_scaling": None, "rope_parameters": {"rope_theta": 1e4, "rope_type": "default"}}, None),
    ],
)
def test_what_a_dictionary_leaves_out_is_as_in_transformers(
    config: dict[str, Any], expected: RopeScaling | None
) -> None:
    assert rope_of(max_position_embeddings=2048, **config).get("rope_scaling") == expected


def test_a_silent_config_has_the_length_of_its_model_type() -> None:
    short = {"rope_scaling": {"type": "yarn", "factor": 4.0}}
    assert rope_of(**short)["rope_scaling"].original_length == 2048
    qwen = read_hf_config({"model_type": "qwen3", **short}, HERE)
    assert qwen["rope_scaling"].original_length == 32768


@settings(max_examples=30, deadline=None)
@given(
    optional=st.fixed_dictionaries(
        {},
        optional={
            "original_max_position_embeddings": st.integers(32, 4096),
            "beta_fast": st.sampled_from([None, 16.0, 32.0, 48]),
            "beta_slow": st.sampled_from([None, 1, 2.0]),
            "attention_factor": st.sampled_from([None, 1.0, 1.3]),
        },
    ),
    factor=st.floats(1, 64),
    length=st.integers(32, 8192),
    theta=st.sampled_from([1e4, 1e6]),
)
def test_frequencies_equal_transformers_whatever_is_left_out(
    optional: dict[str, Any], factor: float, length: int, theta: float
) -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    rope = {"rope_type": "yarn", "factor": factor, **optional}
    theirs = transformers.LlamaConfig(
        hidden_size=64,
        num_attention_heads=4,
        head_dim=16,
        max_position_embeddings=length,
        rope_parameters={**rope, "rope_theta": theta},
    )
    expected, on_cos = ROPE_INIT_FUNCTIONS["yarn"](theirs, "cpu")
    ours, factor_on_cos = scaled_inv_freq(16, theta, read_rope_dictionary(rope, length))
    torch.testing.assert_close(ours.float(), expected, rtol=2e-6, atol=1e-9)
    assert factor_on_cos == pytest.approx(on_cos)


@pytest.mark.parametrize(
    ("rope", "expected"),
    [
        ({"rope_type": "yarn"}, "lacks 'factor'"),
        ({"rope_type": "linear"}, "lacks 'factor'"),
        ({"rope_type": "linear", "factor": None}, "lacks 'factor'"),
        ({"rope_type": None, "factor": 2}, "None"),
        ({"factor": 2}, "None"),
        ({"rope_type": ["yarn"]}, "['yarn']"),
        ({"rope_type": "yarn", "factor": "4"}, "'factor' in the RoPE dictionary must be a number"),
        ({"rope_type": "yarn", "factor": True}, "must be a number"),
        ({"rope_type": "yarn", "factor": 10**400}, "must be a number of at most"),
        ({"rope_type": "yarn", "factor": float("nan")}, "must be a number"),
        ({"rope_type": "yarn", "factor": 2, "beta_fast": 1}, "beta_fast must be larger"),
        ({"rope_type": "yarn", "factor": 2, "beta_fast": 1e308, "beta_slow": 1e-308}, "must be a number"),
        ({"rope_type": "yarn", "factor": 2, "truncate": False}, "'truncate'"),
        ({"rope_type": "dynamic", "factor": 2}, "'dynamic'"),
        ({"rope_type": "longrope", "short_factor": [1]}, "'longrope'"),
        ({"rope_type": "default", "factor": 2}, "'factor'"),
        ({"rope_type": "x" * 500}, "x" * 30),
        ("yarn", "unusable rope_scaling"),
    ],
)
def test_a_dictionary_that_ours_is_not_is_one_short_sentence(rope: object, expected: str) -> None:
    said = sentence(lambda: rope_of(rope_scaling=rope, max_position_embeddings=128))
    assert expected in said and len(said) < 250


LENGTH = {"type": "yarn", "original_max_position_embeddings": 2048}
UPSTREAM = {**LENGTH, "factor": 16, "beta_fast": 32, "beta_slow": 1}
OCTOBER = {
    "type": "yarn",
    "factor": 4,
    "original_max_position_embeddings": 2048,
    "beta_fast": 4,
    "beta_slow": 1,
}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"inference_rope_scaling": True, "rope_scaling": {**UPSTREAM, "attention_factor": 1.0}},
            UPSTREAM_YARN,
        ),
        ({"inference_rope_scaling": True}, UPSTREAM_YARN),  # as transformers 5 saves it
        ({"inference_rope_scaling": True, "rope_parameters": {"rope_type": "default"}}, UPSTREAM_YARN),
        ({"inference_rope_scaling": False, "rope_scaling": UPSTREAM}, None),
        ({"rope_scaling": UPSTREAM}, None),
        ({"inference_rope_scaling": False, "rope_scaling": OCTOBER}, None),
        ({"inference_rope_scaling": True, "max_position_embeddings": 2048}, None),
        ({}, None),
    ],
)
def test_miniminds_own_class_obeys_its_switch(settings: dict[str, Any], expected: RopeScaling | None) -> None:
    config = {"model_type": "minimind", "max_position_embeddings": 32768, **settings}
    assert read_hf_config(config, HERE).get("rope_scaling") == expected


def test_miniminds_formula_of_october_2025_is_refused() -> None:
    config = {"model_type": "minimind", "inference_rope_scaling": True, "rope_scaling": OCTOBER}
    assert "formula of October 2025" in sentence(lambda: read_hf_config(config, HERE))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("minimind-v", "MiniMind-V, which also sees pictures"),
        ("minimind-o", "MiniMind-O, which also hears and speaks"),
        ("mixtral", "a mixture of experts under names of its own"),
        ("qwen2_moe", "a mixture of experts with a gate before its shared one"),
        ("llama4", "choose one of llama, qwen3, qwen3_moe, minimind"),
        ("minimind2", "choose one of"),
        ("x" * 10_000, "choose one of"),
    ],
)
def test_model_types_are_compared_as_a_whole(kind: str, words: str) -> None:
    said = sentence(lambda: read_hf_config({"model_type": kind}, HERE))
    assert words in said and len(said) < 250


# --- numbers at the ends of their types ---

ENDS = [0, -1, 1, 2**31, 2**63, -(2**63), 10**400, 1e308, -1e308, 5e-324, float("inf"), float("nan"), True]


FIELDS = [field.name for field in dataclasses.fields(ModelConfig)]


@pytest.mark.parametrize("name", [*FIELDS, "factor", "original_length", "beta_fast", "beta_slow"])
def test_a_number_at_the_end_of_its_type_is_used_or_refused(name: str) -> None:
    """Whatever is accepted can be computed with."""
    for value in ENDS:
        try:
            if name in FIELDS:
                experts = {"num_experts": 4} if name in EXPERT_FIELDS else {}
                config = ModelConfig(**{**experts, name: value})
            else:
                scaling = RopeScaling(**{"kind": "yarn", "factor": 2.0, name: value})  # type: ignore[arg-type]
                config = ModelConfig(rope_scaling=scaling)
        except (ConfigError, AttributeError) as error:
            assert len(str(error)) < 200
            continue
        assert 0 < active_parameters(config) <= num_parameters(config)
        if config.position == "rope" and config.head_dim < 2**20:
            frequencies, factor = scaled_inv_freq(config.head_dim, config.rope_theta, config.rope_scaling)
            assert frequencies.isfinite().all() and factor == factor


# --- tokenizers without pad or bos, ids of -1 ---


def llama_folder(folder: Path, tokenizer: dict[str, Any], **config: Any) -> Path:
    """A Llama with random weights whose vocabulary names its tokens in Llama's way."""
    torch.save(random_state(TINY), folder / "pytorch_model.bin")
    names = {
        "<|endoftext|>": "<|reserved|>",
        "<|im_start|>": "<|begin_of_text|>",
        "<|im_end|>": "<|end_of_text|>",
    }
    text = ByteTokenizer().to_json()
    for ours, theirs in names.items():
        text = text.replace(ours, theirs)
    (folder / "tokenizer.json").write_text(text)
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    rope = {"model_type": "llama", "num_attention_heads": 4, "rope_theta": 1e6, "max_position_embeddings": 32}
    (folder / "config.json").write_text(json.dumps({**rope, **config}))
    return folder


def test_a_tokenizer_without_a_pad_token_runs(tmp_path: Path) -> None:
    llama_folder(tmp_path, {"bos_token": "<|begin_of_text|>", "eos_token": {"content": "<|end_of_text|>"}})
    loaded = load_model(tmp_path)
    assert (loaded.tokenizer.pad_id, loaded.tokenizer.bos_id, loaded.tokenizer.eos_id) == (2, 1, 2)
    assert loaded.model(random_ids()).isfinite().all()
    assert loaded.prompt_ids("a") == [1, *ByteTokenizer().encode("a")]


def test_a_tokenizer_without_a_bos_token_runs(tmp_path: Path) -> None:
    """Qwen names none: the end of one text begins the next."""
    llama_folder(tmp_path, {"bos_token": None, "eos_token": "<|end_of_text|>", "pad_token": ""})
    assert (load_tokenizer(tmp_path).bos_id, load_tokenizer(tmp_path).pad_id) == (2, 2)
    assert load_model(tmp_path).config.bos_id == 2


def test_a_named_token_must_be_there_and_one_must_end_a_text(tmp_path: Path) -> None:
    llama_folder(tmp_path, {"eos_token": "<|end_of_text|>", "pad_token": "[PAD]"})
    assert "no [PAD] token" in sentence(lambda: load_model(tmp_path))
    for broken in ("{", "[]", '{"eos_token": 7}', "[" * 100_000):
        (tmp_path / "tokenizer_config.json").write_text(broken)
        assert "no <|im_end|> token" in sentence(lambda: load_model(tmp_path))


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ({"pad_token_id": -1}, (2, 1, 2)),
        ({"pad_token_id": 259}, (2, 1, 2)),
        ({"pad_token_id": -1, "bos_token_id": -1, "eos_token_id": -1}, (2, 1, 2)),
        ({"pad_token_id": 0, "eos_token_id": [2, 0]}, (0, 1, 2)),
        ({"pad_token_id": None}, (2, 1, 2)),
    ],
)
def test_an_id_that_is_none_is_the_tokenizers(
    tmp_path: Path, ids: dict[str, Any], expected: tuple[int, int, int]
) -> None:
    llama_folder(tmp_path, {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>"}, **ids)
    config = load_model(tmp_path).config
    assert (config.pad_id, config.bos_id, config.eos_id) == expected


@pytest.mark.parametrize("ids", [{"eos_token_id": 259}, {"bos_token_id": "one"}, {"pad_token_id": 1.5}])
def test_an_id_that_cannot_be_is_refused(tmp_path: Path, ids: dict[str, Any]) -> None:
    llama_folder(tmp_path, {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>"}, **ids)
    assert "does not tell a usable shape" in sentence(lambda: load_model(tmp_path))
