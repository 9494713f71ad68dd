"""config.json of Hugging Face: what is written is read back as the same model, in old and new spelling."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimind_core.errors import ConfigError
from minimind_core.files.hf_config import read_hf_config, write_hf_config
from minimind_core.model.config import ModelConfig, RopeScaling

HERE = Path("model")
SCALINGS = st.sampled_from(
    [
        None,
        RopeScaling("pi", 4.0, 128),
        RopeScaling("yarn", 2.0, 128),
        RopeScaling("yarn", 8.0, 128, 16.0, 2.0, 1.25),
    ]
)
CONFIGS = st.builds(
    ModelConfig,
    vocab_size=st.integers(3, 70000),
    hidden_size=st.integers(1, 1024),
    num_layers=st.integers(1, 40),
    num_heads=st.just(12),
    num_kv_heads=st.sampled_from([1, 2, 3, 4, 6, 12]),
    head_dim=st.sampled_from([32, 96]),
    intermediate_size=st.integers(1, 4096),
    max_length=st.just(128),
    rms_norm_eps=st.sampled_from([1e-5, 1e-6]),
    rope_theta=st.floats(2, 1e7),
    rope_scaling=SCALINGS,
    qk_norm=st.booleans(),
    tie_word_embeddings=st.booleans(),
    pad_id=st.integers(0, 2),
    bos_id=st.integers(0, 2),
    eos_id=st.integers(0, 2),
)


def read(config: ModelConfig, *without: str) -> ModelConfig:
    data = json.loads(json.dumps(write_hf_config(config, "float32")))
    told = read_hf_config({key: value for key, value in data.items() if key not in without}, HERE)
    return ModelConfig(qk_norm=data["model_type"] == "qwen3", **told)


@given(CONFIGS)
def test_written_and_read_is_the_same_model(config: ModelConfig) -> None:
    assert read(config) == config
    assert read(config, "rope_parameters") == config  # as transformers 4 reads it
    assert read(config, "rope_scaling", "rope_theta") == config  # as transformers 5 writes it


def test_ntk_is_written_as_the_larger_base_that_it_is() -> None:
    scaled = ModelConfig(rope_theta=1e4, rope_scaling=RopeScaling("ntk", 4.0, 512))
    told = read(scaled)
    assert told.rope_scaling is None and told.rope_theta == pytest.approx(1e4 * 4 ** (64 / 62))
    assert told.max_length == 2048


def test_the_26m_is_plain_llama() -> None:
    data = write_hf_config(ModelConfig(), "bfloat16")
    assert data["architectures"] == ["LlamaForCausalLM"] and data["model_type"] == "llama"
    assert data["rope_parameters"] == {"rope_type": "default", "rope_theta": 1e6}
    assert data["rope_scaling"] is None
    assert data["dtype"] == data["torch_dtype"] == "bfloat16"


def test_a_model_that_llama_cannot_express_is_refused() -> None:
    with pytest.raises(ConfigError, match="position='alibi'"):
        write_hf_config(ModelConfig(position="alibi"), "float32")
