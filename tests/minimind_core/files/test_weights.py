"""The shipped checkpoints: made by their recipes, small enough, and as good as they claim."""

from __future__ import annotations

import pydoc_data.topics
from pathlib import Path

import pytest

from minimind_core.files.checkpoint import load_model
from minimind_core.files.checkpoint_config import WEIGHTS_FOLDER, read_config, shipped_checkpoints
from minimind_core.model.config import ModelConfig
from minimind_core.training.data import Document
from minimind_core.training.evaluate import evaluate
from minimind_core.training.recipes import RECIPES

pytestmark = pytest.mark.skipif(not shipped_checkpoints(), reason="no checkpoints in weights/")
MOST_BYTES = 48 * 2**20
MOST_BYTES_A_FILE = 15 * 2**20


def files() -> list[Path]:
    return [path for path in WEIGHTS_FOLDER.rglob("*") if path.is_file()]


def test_all_weights_stay_small() -> None:
    assert sum(path.stat().st_size for path in files()) <= MOST_BYTES
    assert max(path.stat().st_size for path in files()) < MOST_BYTES_A_FILE


@pytest.mark.parametrize("name", shipped_checkpoints())
def test_a_checkpoint_is_the_one_of_its_recipe(name: str) -> None:
    config, meta = read_config(WEIGHTS_FOLDER / name)
    recipe = RECIPES[name]
    assert (meta["name"], config, meta["dtype"]) == (name, recipe.config, "int8")
    assert meta["shares_embedding_with"] == recipe.shares_embedding_with
    training = meta["trained"]["training"]
    for setting in ("steps", "batch_size", "seq_len", "optimizer", "learning_rate", "seed"):
        assert training[setting] == getattr(recipe.training, setting), setting


@pytest.mark.parametrize("name", shipped_checkpoints())
def test_int8_costs_less_than_half_a_percent(name: str) -> None:
    held_out = read_config(WEIGHTS_FOLDER / name)[1]["trained"].get("held_out")
    if held_out is None:
        pytest.skip("was not scored")
    for language, master in held_out["master"].items():
        shipped = held_out["int8"][language]
        assert shipped["bits_per_byte"] == pytest.approx(master["bits_per_byte"], rel=0.005)


def test_the_main_model_predicts_text_that_it_never_saw() -> None:
    """Python's own manual, which is on every machine and not in the corpus."""
    loaded = load_model("minimind-26m")
    assert loaded.config == ModelConfig()
    text = pydoc_data.topics.topics["strings"]
    score = evaluate(loaded.model, loaded.tokenizer, [Document(text, lang="en")], max_tokens=1500)["en"]
    assert score.tokens == 1500 and score.bits_per_byte < 2.2
