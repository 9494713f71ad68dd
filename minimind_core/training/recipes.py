"""How each shipped checkpoint was trained: one named recipe each, enough to train it again.

Specimens of one family share data, tokenizer and settings and differ in one thing of their shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from minimind_core.errors import ConfigError
from minimind_core.model.config import PRESETS, ModelConfig
from minimind_core.training.batches import PaddingRule
from minimind_core.training.training_config import TrainingConfig

SIMPLE_STORIES = {
    name: 3
    for name in (
        "cft-fairy-tales",
        "cmrc2017-stories",
        "cmrc2019-stories",
        "kdconv",
        "tatoeba-en-zh",
        "african-storybook",
        "pratham-books",
        "fairytaleqa",
        "tinystories-slices",
        "synthetic-persona-chat",
    )
}
"""Simple text that small models learn fastest, seen three times as often."""
NANO_MIXTURE = {**SIMPLE_STORIES, "pypi-*": 2}
LONG_CHINESE = {"niutrans-classical-modern": 2, "classic-vernacular-novels": 2, "luxun": 2}
"""Old-style prose, which the 26M fits worst, twice; Python once, since more of it was learnt by heart."""
MIXTURE = {**SIMPLE_STORIES, **LONG_CHINESE}


@dataclass(frozen=True)
class Recipe:
    """A shape, a tokenizer, a mixture of sources and the training settings."""

    config: ModelConfig
    tokenizer: str
    training: TrainingConfig
    repeats: Mapping[str, int] = field(default_factory=lambda: NANO_MIXTURE)
    shares_embedding_with: str | None = None
    """Take the embedding of this checkpoint, keep it frozen and do not store it again."""
    stop_after: int | None = None
    """Stop early in the schedule, to ship a model that is still learning."""
    padding: PaddingRule | None = None
    """One line of the sources in `repeats` a row, padded by this rule; None packs whole documents."""


_muon = partial(
    TrainingConfig,
    batch_size=256,
    optimizer="muon",
    learning_rate=5e-3,
    dtype="bf16",
    compile=True,
    log_every=20,
)
_NANO_TRAINING = _muon(steps=2000, batch_size=128, warmup_steps=100)
_NANOS = {
    name: Recipe(config, "1k", _NANO_TRAINING) for name, config in PRESETS.items() if name.startswith("nano-")
}

_TOY_TRAINING = TrainingConfig(
    steps=2000, batch_size=64, seq_len=64, learning_rate=5e-3, warmup_steps=100, log_every=20
)
_TOYS = {
    "toy-masked": PaddingRule(),
    "toy-unmasked": PaddingRule(score_padding=True),
    "toy-pad-is-eos": PaddingRule(pad_is_eos=True),
    "toy-no-eos": PaddingRule(add_bos_eos=False),
    "toy-no-eos-unmasked": PaddingRule(add_bos_eos=False, score_padding=True),
}

RECIPES: dict[str, Recipe] = {
    "minimind-26m": Recipe(
        PRESETS["minimind-26m"], "6.4k", _muon(steps=5000, warmup_steps=200, weight_decay=0.3), MIXTURE
    ),
    "draft-1l": Recipe(
        PRESETS["draft-1l"],
        "6.4k",
        _muon(steps=1500, warmup_steps=100),
        MIXTURE,
        shares_embedding_with="minimind-26m",
    ),
    **_NANOS,
    "nano-rope-early": Recipe(PRESETS["nano-rope"], "1k", _NANO_TRAINING, stop_after=100),
    "byte-128": Recipe(PRESETS["byte-128"], "byte", _muon(steps=3000, seq_len=128, warmup_steps=150)),
    **{
        name: Recipe(PRESETS["toy"], "1k", _TOY_TRAINING, {"tatoeba-en-zh": 1}, padding=rule)
        for name, rule in _TOYS.items()
    },
}


def find_recipe(name: str) -> Recipe:
    """A recipe by the checkpoint's name. Raises ConfigError with the known names."""
    if name not in RECIPES:
        raise ConfigError(f"Unknown recipe {name!r}; known are {', '.join(RECIPES)}.")
    return RECIPES[name]
