"""What cannot be measured is refused with one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from labs.contract import ParamError
from labs.contract.registry import Registry
from labs.runner.inline import InlineClient

REGISTRY = Registry.discover()
LOW_FACTOR = "Factor must be at least 1; 1 means no scaling."
LOW_BASE = "Base must be larger than 1, or the frequencies do not fall."
REACHES = "The longest length must be one of 512, 1024, 2048, 4096 and 8192 tokens."


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("spectrum", {"head_dim": 63}, "Head dimension must be even: RoPE rotates pairs."),
        ("spectrum", {"base": 1}, LOW_BASE),
        ("spectrum", {"base": "-4"}, LOW_BASE),
        ("spectrum", {"factor": 0.5}, LOW_FACTOR),
        ("spectrum", {"beta_fast": 1, "beta_slow": 1}, "beta_fast must be larger than beta_slow."),
        ("lengths", {"factor": "0.5"}, LOW_FACTOR),
        ("lengths", {"factor": -1}, LOW_FACTOR),
        ("lengths", {"reach": "3000"}, REACHES),
        ("lengths", {"reach": 128}, REACHES),
        (
            "lengths",
            {"model": "nano-mha"},
            "model must be one of nano-rope, nano-rope-1e4, byte-128, minimind-26m, not 'nano-mha'.",
        ),
        ("invariance", {"distance": 512}, "distance must be at most 511, not 512."),
        ("shift", {"tokens": 100}, "tokens must be one of 64, 128, 256, 512, not 100."),
    ],
)
def test_bad_settings_are_one_sentence(name: str, settings: dict[str, Any], sentence: str) -> None:
    params = REGISTRY.find(f"q07/{name}").params
    with pytest.raises(ParamError) as error:
        params.from_dict(settings)
    assert str(error.value) == sentence
    usable, changed = params.clamp(settings)  # the address bar never fails
    assert changed and params.from_dict(usable.to_dict()) == usable


@pytest.mark.parametrize(
    ("name", "settings", "model", "sentence"),
    [
        (
            "invariance",
            {"vectors": "model", "layer": 5},
            "nano-rope",
            "nano-rope has 5 layers, numbered from 0; there is no 5.",
        ),
        (
            "invariance",
            {"vectors": "model", "head": 8},
            "nano-rope",
            "nano-rope has 8 query heads, numbered from 0; there is no 8.",
        ),
        ("shift", {}, "nano-alibi", "nano-alibi has alibi positions; choose a model with RoPE."),
        (
            "lengths",
            {"pasted": "too short"},
            "minimind-26m",
            "The pasted text has 5 tokens; chunks of 2,048 need more. "
            "Lower the longest length or paste more.",
        ),
    ],
)
def test_what_the_model_lacks_is_one_sentence(
    client: InlineClient, name: str, settings: dict[str, Any], model: str, sentence: str
) -> None:
    job = client.submit(f"q07/{name}", settings, model=model)
    assert (job.state, job.error) == ("failed", sentence)
