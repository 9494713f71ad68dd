"""From text to a checkpoint by a recipe, through the command line: train, pack, resume, score, share."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from minimind_core.__main__ import main
from minimind_core.errors import CheckpointError
from minimind_core.files import checkpoint, checkpoint_config
from minimind_core.files.checkpoint import load_model, load_state_dict
from minimind_core.model.minimind import MiniMind
from minimind_core.tokenizer import load_tokenizer
from minimind_core.training import pretraining
from minimind_core.training.batches import PaddedBatches, PaddingRule
from minimind_core.training.data import Document
from minimind_core.training.recipes import RECIPES, Recipe, find_recipe
from minimind_core.training.training_config import TrainingConfig
from tests.minimind_core.checkpoint_samples import TINY, sentence

TRAINING = TrainingConfig(steps=6, batch_size=4, seq_len=16, learning_rate=5e-3, warmup_steps=2, compile=True)
TINY_RECIPES = {
    "tiny": Recipe(TINY, "byte", TRAINING, {"twice": 2}),
    "padded": Recipe(TINY, "byte", TRAINING, {"lines": 1}, padding=PaddingRule()),
    "early": Recipe(TINY, "byte", TRAINING, stop_after=3),
    "sharing": Recipe(TINY.replace(num_layers=1), "byte", TRAINING, shares_embedding_with="tiny"),
}


@pytest.fixture(autouse=True)
def tiny_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, recipe in TINY_RECIPES.items():
        monkeypatch.setitem(RECIPES, name, recipe)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    rows = [
        {
            "text": f"line {i} of a tale\nand line {i + 1}, once more",
            "lang": "en" if i % 3 else "zh",
            "source": "lines" if i % 2 else "twice",
        }
        for i in range(24)
    ]
    path = tmp_path / "text.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def train(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["train", *map(str, arguments), "--device", "cpu", "--json"]) == code
    return json.loads(capsys.readouterr().out)


def curve(folder: Path) -> list[list[float]]:
    return load_state_dict(folder)[2]["trained"]["curve"]


def test_train_writes_a_checkpoint_that_runs(
    texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out" / "tiny"
    told = train(capsys, "tiny", "--data", texts, "--eval", texts, "--eval-tokens", 50, "--out", folder)
    assert told["steps"] == 6 and told["tokens"] == 6 * 4 * 16
    loaded = load_model(folder)
    trained = loaded.meta["trained"]
    assert (loaded.name, loaded.config, loaded.meta["dtype"]) == ("tiny", TINY, "int8")
    assert trained["training"]["learning_rate"] == 5e-3 and trained["repeats"] == {"twice": 2}
    assert trained["training"]["compile"] is False  # not on a CPU
    master, shipped = (trained["held_out"][form]["en"]["loss"] for form in ("master", "int8"))
    assert shipped == pytest.approx(master, rel=0.005)
    assert len(trained["curve"]) == 6 and told["loss"] == pytest.approx(trained["curve"][-1][1], abs=1e-4)


def test_options_replace_settings_of_the_recipe(
    texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    options = ("tiny", "--data", texts, "--out", folder)
    train(capsys, *options, "--steps", 2, "--batch-size", 6, "--optimizer", "muon")
    training = load_state_dict(folder)[2]["trained"]["training"]
    assert (training["steps"], training["batch_size"], training["optimizer"]) == (2, 6, "muon")
    error = train(capsys, *options, "--optimizer", "sgd", code=2)
    assert error["error"] == "optimizer must be one of adamw, muon, not 'sgd'."
    assert "Unknown recipe 'huge'; known are" in train(capsys, "huge", "--data", texts, code=2)["error"]
    assert "No file matches" in train(capsys, "tiny", "--data", tmp_path / "none*", code=1)["error"]


def test_a_watched_run_names_the_module_of_a_step_that_was_skipped(
    texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    build = pretraining.build_model

    def broken_once(recipe: Recipe, device: torch.device) -> MiniMind:
        model, calls = build(recipe, device), iter(range(100))
        bad = model.get_submodule("model.layers.1.mlp.up_proj")
        # the third update, and its repetition by the watch
        bad.register_forward_hook(
            lambda _m, _i, output: output * math.inf if next(calls) in (2, 3) else output
        )
        return model

    monkeypatch.setattr(pretraining, "build_model", broken_once)
    told = train(capsys, "tiny", "--data", texts, "--out", tmp_path / "out", "--watch")
    [event] = told["events"]
    assert event.startswith("Step 2: first Inf in the output of model.layers.1.mlp.up_proj, forward")
    assert told["skipped"] == 1 and told["steps"] == 6


def test_packed_text_trains_to_the_same_weights(
    texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = tmp_path / "text.npz"
    assert main(["pack", "tiny", "--data", str(texts), "--out", str(packed)]) == 0
    train(capsys, "tiny", "--data", texts, "--out", tmp_path / "one")
    train(capsys, "tiny", "--data", packed, "--out", tmp_path / "two")
    assert curve(tmp_path / "one") == curve(tmp_path / "two")
    other = dataclasses.replace(TINY_RECIPES["tiny"], tokenizer="1k")
    message = sentence(lambda: pretraining.load_corpus([packed], other, print))
    assert "was packed with another tokenizer than '1k'" in message


def test_resume_goes_on_and_keeps_the_whole_curve(
    texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(capsys, "tiny", "--data", texts, "--out", tmp_path / "whole")
    folder = tmp_path / "cut"
    options = ("tiny", "--data", texts, "--out", folder)
    assert "No training state" in train(capsys, *options, "--resume", code=1)["error"]
    train(capsys, *options, "--save-every", 4)  # the state that stays is that of update 4
    told = train(capsys, *options, "--resume")
    assert told["steps"] == 6 and curve(folder) == curve(tmp_path / "whole")


def test_an_early_stop_keeps_its_place_in_the_schedule(
    texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(capsys, "tiny", "--data", texts, "--out", tmp_path / "whole", "--seed", 0)
    told = train(capsys, "early", "--data", texts, "--out", tmp_path / "early")
    assert told["steps"] == 3 and len(curve(tmp_path / "early")) == 3


def test_padded_recipes_take_lines_of_their_sources(
    texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, _ = pretraining.make_source(TINY_RECIPES["padded"], [texts], lambda _text: None)
    assert isinstance(source, PaddedBatches) and len(source.dataset) == 24  # two lines of each odd document
    assert source.batch(0).inputs.shape == (4, 16)
    assert train(capsys, "padded", "--data", texts, "--out", tmp_path / "out")["steps"] == 6


def test_lines_become_documents() -> None:
    documents = [Document("one\n\n  two \n", "a", "en"), Document("three", "b", "en")]
    assert list(pretraining.split_lines(documents, {"a": 1})) == [
        Document("one", "a", "en"),
        Document("two", "a", "en"),
    ]


def test_a_shared_embedding_is_frozen_and_stored_once(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checkpoint_config, "WEIGHTS_FOLDER", tmp_path)
    monkeypatch.setattr(checkpoint, "WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(CheckpointError, match="There is no checkpoint at 'tiny'"):
        pretraining.build_model(TINY_RECIPES["sharing"], torch.device("cpu"))
    train(capsys, "tiny", "--data", texts, "--out", tmp_path / "tiny")
    train(capsys, "sharing", "--data", texts, "--out", tmp_path / "sharing")
    shared, own = load_state_dict(tmp_path / "sharing")[1], load_state_dict(tmp_path / "tiny")[1]
    assert (shared["model.embed_tokens.weight"] == own["model.embed_tokens.weight"]).all()
    assert not (shared["model.norm.weight"] == own["model.norm.weight"]).all()
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("sharing", "tiny")]
    assert sizes[0] < sizes[1] / 2 + 2000


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in TINY_RECIPES])
def test_a_shipped_recipe_can_run(name: str) -> None:
    recipe = find_recipe(name)
    assert load_tokenizer(recipe.tokenizer).vocab_size == recipe.config.vocab_size
    assert recipe.training.seq_len <= recipe.config.max_length
    assert recipe.stop_after is None or recipe.stop_after < recipe.training.steps
    assert recipe.training.batch_size % 8 == 0  # any of 1, 2, 4, 8 processes gives the same run


def test_specimens_of_a_family_share_all_but_their_shape() -> None:
    nanos = [
        recipe for name, recipe in RECIPES.items() if name.startswith("nano-") and name != "nano-rope-early"
    ]
    assert len(nanos) == 8 and len({(r.tokenizer, r.training, tuple(r.repeats.items())) for r in nanos}) == 1
    toys = [recipe for name, recipe in RECIPES.items() if name.startswith("toy-")]
    assert len(toys) == len({recipe.padding for recipe in toys}) == 5
    assert len({(recipe.config, recipe.training) for recipe in toys}) == 1
