"""The ten items before a run: each notices what it is there for, and has nothing against what is well."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minimind_core.errors import ConfigError, DataError
from minimind_core.model import minimind
from minimind_core.tokenizer import ByteTokenizer
from minimind_core.training.checklist import Item, checklist, settings_from
from minimind_core.training.training_config import TrainingConfig
from tests.minimind_core.checkpoint_samples import PYTHONS_OWN_WORDS, TINY

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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "settings must be a JSON object, not [1]"),
        ("{", "no JSON from line 1, column 2"),
        ('{"training": {"stepz": 3}}', "Unknown training setting 'stepz'; did you mean 'steps'?"),
        ("3", "must be a JSON object, not 3"),
        ('{"model": 1}', "model must be a JSON object, not 1"),
        ('{"training": null}', "training must be a JSON object, not null"),
        ('{"trained": 5}', "trained must be a JSON object, not 5"),
        ('{"training": {"steps": 1.5}}', "steps must be a whole number, not 1.5"),
        ('{"training": {"steps": true}}', "steps must be a whole number, not True"),
        ('{"training": {"learning_rate": "0.1"}}', "learning_rate must be a number, not '0.1'"),
        ('{"training": {"compile": "no"}}', "compile must be true or false, not 'no'"),
        ('{"model": {"rope_scaling": {"factor": 2}}}', "The rope_scaling settings lack 'kind'"),
        ('{"model": {"rope_scaling": {"kind": "pi", "x": 2}}}', "Unknown rope_scaling setting 'x'"),
        ("[" * 100_000, "a nesting beyond all bounds"),
        ('{"num_layers": ' + "9" * 5000 + "}", "a number or a nesting beyond all bounds"),
        (b'{"num_layers": "\xff"}', "no encoding of Unicode"),
    ],
    ids=lambda text: str(text)[:40],
)
def test_settings_that_are_none_are_one_sentence(text: str | bytes, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_from(text)
    assert said in str(caught.value) and not PYTHONS_OWN_WORDS.search(str(caught.value))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_settings_are_read_in_every_encoding_of_unicode(encoding: str) -> None:
    assert settings_from('{"num_layers": 3}'.encode(encoding))[0].num_layers == 3
    assert settings_from("\ufeff{}") == settings_from("{}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
FIELDS = [field.name for kind in (minimind.ModelConfig, TrainingConfig) for field in dataclasses.fields(kind)]


@given(st.sampled_from(["model", "training", "trained", ""]), st.sampled_from([*FIELDS, "kind"]), JSON)
@settings(max_examples=400, deadline=None)
def test_any_value_of_any_setting_is_used_or_refused_in_a_sentence(
    table: str, name: str, value: object
) -> None:
    for content in ({name: value}, {"rope_scaling": {name: value}}, value):
        try:
            model, training = settings_from(json.dumps({table: content} if table else content))
        except ConfigError as error:
            assert not PYTHONS_OWN_WORDS.search(str(error)), error
        else:
            assert type(training.steps) is int and type(model.num_layers) is int


def test_what_cannot_be_tried_is_one_sentence() -> None:
    with pytest.raises(DataError, match="no text"):
        checklist(MODEL, TRAINING, ByteTokenizer(), [])
    with pytest.raises(ConfigError, match="set vocab_size"):
        checklist(dataclasses.replace(MODEL, vocab_size=100), TRAINING, ByteTokenizer(), TEXTS)
