"""A model's shape is checked when it is made, with one sentence for each mistake."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from minimind_core.errors import ConfigError
from minimind_core.model.config import PRESETS, ModelConfig, RopeScaling, swiglu_width
from minimind_core.training.training_config import TrainingConfig
from tests.minimind_core.checkpoint_samples import sentence


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"num_kv_heads": 3}, "8 query heads cannot be split evenly over 3 KV heads."),
        ({"head_dim": 63}, "Head dimension must be even: RoPE rotates pairs."),
        ({"rope_theta": 1.0}, "Base must be larger than 1, or the frequencies do not fall."),
        ({"num_layers": 0}, "num_layers must be a whole number of at least 1, not 0."),
        ({"hidden_size": 2.5}, "hidden_size must be a whole number of at least 1, not 2.5."),
        (
            {"position": "absolute"},
            "position must be one of rope, learned, sinusoidal, alibi, none, not 'absolute'.",
        ),
        ({"position": "alibi", "rope_scaling": RopeScaling("pi")}, "RoPE scaling needs position='rope'."),
        ({"eos_id": 6400}, "Special token ids must lie in 0-6399."),
        ({"rms_norm_eps": 0}, "rms_norm_eps must be positive."),
    ],
)
def test_a_shape_that_cannot_work_is_said(changes: dict[str, Any], expected: str) -> None:
    assert sentence(lambda: ModelConfig(**changes)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"kind": "pi", "factor": 0.5}, "Factor must be at least 1; 1 means no scaling."),
        ({"kind": "longrope"}, "RoPE scaling must be one of pi, ntk, yarn, not 'longrope'."),
        ({"kind": "yarn", "original_length": 0}, "The original length must be at least 1."),
        ({"kind": "yarn", "beta_fast": 1.0}, "beta_fast must be larger than beta_slow, and both positive."),
    ],
)
def test_a_scaling_that_cannot_work_is_said(values: dict[str, Any], expected: str) -> None:
    assert sentence(lambda: RopeScaling(**values)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"steps": 0}, "steps must be at least 1, not 0."),
        ({"batch_size": 10, "grad_accum": 4}, "batch_size 10 cannot be split into 4 micro-batches."),
        ({"optimizer": "sgd"}, "optimizer must be one of adamw, muon, not 'sgd'."),
        ({"dtype": "int8"}, "dtype must be one of fp32, bf16, fp16, not 'int8'."),
        ({"learning_rate": 0.0}, "learning_rate must be at least 1e-30, not 0.0."),
    ],
)
def test_a_training_setting_that_cannot_work_is_said(values: dict[str, Any], expected: str) -> None:
    assert sentence(lambda: TrainingConfig(**{"steps": 1, **values})) == expected


@pytest.mark.parametrize("name", PRESETS)
def test_a_shape_survives_json(name: str) -> None:
    config = PRESETS[name].replace(rope_scaling=RopeScaling("yarn", 4.0) if "rope" in name else None)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_an_unknown_setting_is_said_with_the_nearest_known_one() -> None:
    with pytest.raises(ConfigError, match=r"Unknown model setting 'num_layer'; did you mean 'num_layers'\?$"):
        ModelConfig.from_dict({"num_layer": 3})
    with pytest.raises(ConfigError, match=r"Unknown model setting 'zzz'\.$"):
        ModelConfig.from_dict({"zzz": 1})


def test_shapes_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig().num_layers = 2  # type: ignore[misc]


@pytest.mark.parametrize(("hidden", "width"), [(512, 1408), (768, 2048), (128, 384), (64, 192)])
def test_the_feed_forward_rule(hidden: int, width: int) -> None:
    assert swiglu_width(hidden) == width


def test_specimens_of_a_family_differ_in_one_thing() -> None:
    base = PRESETS["nano-rope"].to_dict()
    for name, config in PRESETS.items():
        if name.startswith("nano-") and name != "nano-rope":
            assert sum(config.to_dict()[key] != value for key, value in base.items()) == 1, name
