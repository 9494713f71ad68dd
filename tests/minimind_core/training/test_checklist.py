"""The ten items before a run: each notices what it is there for, and has nothing against what is well."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
import torch

from minimind_core.errors import ConfigError, DataError
from minimind_core.model import minimind
from minimind_core.tokenizer import ByteTokenizer
from minimind_core.training.checklist import Item, checklist, settings_from
from minimind_core.training.training_config import TrainingConfig
from tests.minimind_core.checkpoint_samples import TINY, sentence

MODEL = dataclasses.replace(TINY, vocab_size=ByteTokenizer().vocab_size)
TRAINING = TrainingConfig(steps=10, seq_len=32, warmup_steps=100)
TEXTS = ["a short text", "天气很好"]
NAMES = [
    "learning_rate", "warmup", "clipping", "precision", "empty",
    "targets", "first_loss", "length", "range", "state",
]  # fmt: skip


def found(training: TrainingConfig = TRAINING, texts: list[str] = TEXTS, **model: object) -> dict[str, Item]:
    items = checklist(dataclasses.replace(MODEL, **model), training, ByteTokenizer(), texts)  # type: ignore[arg-type]
    assert [item.name for item in items] == NAMES
    assert all(item.sentence().endswith(".") for item in items)
    return {item.name: item for item in items}


def test_a_good_plan_has_ten_times_ok_and_draws_no_random_numbers() -> None:
    torch.manual_seed(5)
    first = torch.rand(3)
    torch.manual_seed(5)
    assert {item.state for item in found().values()} == {"ok"}
    assert torch.equal(torch.rand(3), first)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("learning_rate", {"learning_rate": 0.01}),
        ("warmup", {"warmup_steps": 39}),
        ("clipping", {"clip_norm": 0.0}),
        ("precision", {"dtype": "fp16"}),
        ("length", {"seq_len": 8}),
    ],
)
def test_a_setting_is_noted(name: str, change: dict[str, object]) -> None:
    items = found(dataclasses.replace(TRAINING, **change))
    assert [item.name for item in items.values() if item.state != "ok"] == [name]


def test_warm_up_asks_for_twice_the_memory_of_the_second_moment() -> None:
    items = found(dataclasses.replace(TRAINING, beta2=0.999))
    assert items["warmup"].values["wanted"] == 2000


def test_texts_that_are_empty_or_a_single_token() -> None:
    items = found(texts=["", "a", "a text"])
    assert items["empty"].values == {"empty": 1, "count": 3}
    assert items["targets"].values == {"bare": 2, "count": 3} and items["targets"].state == "note"
    assert found(texts=["a", ""])["targets"].state == "mend"


def test_the_first_loss_of_a_wide_embedding_is_out_of_place(monkeypatch: pytest.MonkeyPatch) -> None:
    assert math.isclose(found()["first_loss"].values["guess"], math.log(MODEL.vocab_size))
    monkeypatch.setattr(minimind, "INIT_STD", 1.0)
    items = found()
    assert items["first_loss"].state == "mend"


def test_a_model_that_overflows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minimind, "INIT_STD", 1e30)
    items = found()
    assert items["range"].state == "mend" and items["range"].sentence().startswith("In the first step: NaN")
    monkeypatch.setattr(minimind, "INIT_STD", 300.0)
    assert found()["range"].state == "note"


def test_a_large_model_is_not_built() -> None:
    items = found(hidden_size=8192, num_layers=48)
    assert {items[name].reason for name in ("first_loss", "range", "state")} == {"large"}


def test_settings_are_read_from_a_config_of_ones_own_and_from_a_checkpoints() -> None:
    assert settings_from("") == (minimind.ModelConfig(), TrainingConfig(steps=1000))
    ours = {"model": TINY.to_dict(), "training": {"steps": 7, "beta2": 0.9}}
    assert settings_from(json.dumps(ours)) == (TINY, TrainingConfig(steps=7, beta2=0.9))
    shipped = {"model": TINY.to_dict(), "trained": {"training": TRAINING.to_dict()}}
    assert settings_from(json.dumps(shipped)) == (TINY, TRAINING)
    assert settings_from('{"num_layers": 3}')[0].num_layers == 3


@pytest.mark.parametrize("text", ["[1]", "{", '{"training": {"stepz": 3}}', "3", '{"model": 1}'])
def test_settings_that_are_none_are_one_sentence(text: str) -> None:
    assert sentence(lambda: settings_from(text)).endswith(".")


def test_what_cannot_be_tried_is_one_sentence() -> None:
    with pytest.raises(DataError, match="no text"):
        checklist(MODEL, TRAINING, ByteTokenizer(), [])
    with pytest.raises(ConfigError, match="set vocab_size"):
        checklist(dataclasses.replace(MODEL, vocab_size=100), TRAINING, ByteTokenizer(), TEXTS)
