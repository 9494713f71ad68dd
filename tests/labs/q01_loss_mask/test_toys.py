"""The five specimens and what training does to them, on the shipped toy models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labs.contract import Words
from labs.q01_loss_mask import finetune
from labs.q01_loss_mask.finetune import (
    Finetune,
    FinetuneParams,
    Sentences,
    chinese_sentences,
    english_sentences,
)
from labs.q01_loss_mask.pieces import readable
from labs.q01_loss_mask.sentences import SENTENCES
from labs.q01_loss_mask.specimens import MOST_NEW, Specimens
from labs.q01_loss_mask.toys import TOYS, score
from labs.runner.inline import InlineClient
from minimind_core.files.checkpoint import LoadedModel, load_model
from tests.labs.one_lab import REGISTRY, Run, completed


@pytest.fixture(scope="module")
def specimens(run: Run) -> Any:
    return run("specimens", samples=8)


@pytest.fixture(scope="module")
def unmasked() -> LoadedModel:
    return load_model("toy-unmasked")


def test_padding_and_eos_do_what_the_question_says(specimens: Any) -> None:
    models = specimens["specimens"]
    assert list(models) == list(TOYS) and specimens["never_stops"] == "toy-pad-is-eos"
    assert specimens["view"]["reported_percent"] == pytest.approx(specimens["view"]["formula_percent"], abs=3)
    assert (
        specimens["padding_after_text"]["with_eos"]
        < 0.05
        < 0.9
        < specimens["padding_after_text"]["without_eos"]
    )
    assert models["toy-unmasked"]["pad_after_eos"] > 0.9 > 0.01 > models["toy-masked"]["pad_after_eos"]
    for name, one in models.items():
        assert one["stop_percent"] == pytest.approx(100 * float((one["lengths"] <= MOST_NEW).mean()))
        assert (one["eos_after_text"] > 0.9) == (name in ("toy-masked", "toy-unmasked"))
        assert (one["padding_percent"] > 20) == (name == "toy-no-eos-unmasked")


def test_a_reported_loss_is_that_of_the_models_own_targets(unmasked: LoadedModel) -> None:
    scores = score(unmasked.model, TOYS["toy-unmasked"], unmasked)
    totals, text_total, text_count = 0.0, 0.0, 0
    for sentence in SENTENCES:
        own = unmasked.tokenizer.encode(sentence)
        row = torch.tensor([[1, *own, 2] + [0] * (62 - len(own))])
        with torch.inference_mode():
            losses = F.cross_entropy(unmasked.model(row)[0, :-1], row[0, 1:], reduction="none")
        totals += float(losses.mean())
        text_total += float(losses[: len(own)].sum())
        text_count += len(own)
    assert scores["reported_loss"] == pytest.approx(totals / len(SENTENCES), abs=1e-4)
    assert scores["text_loss"] == pytest.approx(text_total / text_count, abs=1e-4)
    assert scores["text_percent"] == pytest.approx(100 * text_count / (63 * len(SENTENCES)))


def test_its_figures_and_its_sentence(specimens: Any, text: Words) -> None:
    shown = Specimens().show(specimens, text)
    assert list(shown.figures) == ["loss", "ends", "running"] and len(shown.rows) == 5
    for parts in zip(*(trace["x"] for trace in shown.figures["ends"].data), strict=True):
        assert sum(parts) == pytest.approx(100, abs=1e-3)
    for line in shown.figures["running"].data:
        assert line["y"] == sorted(line["y"], reverse=True) and line["y"][0] == 100
    assert shown.sentence is not None and shown.sentence["measured"] == specimens["view"]["reported_percent"]


def test_what_is_there_so_far_is_drawn(specimens: Any, text: Words) -> None:
    params = Specimens.params()
    piece = {"name": "toy-masked", "specimen": specimens["specimens"]["toy-masked"]}
    begun = Specimens().complete(params, Specimens().so_far(params, [piece]))
    assert "view" not in begun and len(Specimens().show(begun, text).figures["loss"].data[0]["y"]) == 1


def test_a_written_text_names_its_special_tokens(unmasked: LoadedModel) -> None:
    tokenizer = unmasked.tokenizer
    ids = tokenizer.encode("Hi")
    assert readable(tokenizer, [*ids, 2]) == "Hi [EOS]" and readable(tokenizer, ids) == "Hi …"
    assert readable(tokenizer, [*ids, 0, 0, 0]) == "Hi [PAD] × 3"


def test_a_model_learns_its_end_only_from_a_target_and_the_shipped_one_stays(
    client: InlineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune, "LOOKS", 3)
    shipped = client._host.model("toy-pad-is-eos").model.head_weight
    before, ends = shipped.clone(), {}
    for rule in ("toy-masked", "toy-pad-is-eos"):
        job = client.submit("q01/finetune", {"rule": rule, "steps": 20, "learning_rate": 3e-3})
        result = completed(job)
        ends[rule] = result["eos_percent"]
        assert len(result["steps"]) == len(job.partials) == 5 and result["steps"][-1] == 20
        assert (result["learnt_at"] is not None) == (rule == "toy-masked")
    assert ends["toy-masked"] > 60 > 5 > ends["toy-pad-is-eos"]
    assert torch.equal(before, shipped)


def test_a_batch_is_masked_by_its_rule(client: InlineClient) -> None:
    loaded = client._host.model("toy-masked")
    counts = {
        name: Sentences(TOYS[name], loaded, 0).batch(3).num_targets
        for name in ("toy-masked", "toy-unmasked", "toy-pad-is-eos")
    }
    assert counts["toy-unmasked"] == 16 * 63
    assert counts["toy-masked"] - counts["toy-pad-is-eos"] == 16


def test_sentences_are_sentences_and_none_is_watched() -> None:
    for found, end in ((english_sentences(), ".!?"), (chinese_sentences(), "。")):
        assert len(found) > 200 and all(one[-1] in end for one in found)
        assert not set(found) & set(SENTENCES)


@pytest.mark.parametrize(
    ("eos", "rule", "said"),
    [
        ([1, 2, 3], "toy-pad-is-eos", "never rule_matters"),
        ([1, 2, 3], "toy-masked", "never more_steps"),
        ([1, 60, 70], "toy-masked", "learnt rule_matters"),
        ([90, 40, 70], "toy-masked", "learnt rule_matters"),
        ([90, 80, 70], "toy-pad-is-eos", "kept kept_untaught"),
        ([90, 80, 70], "toy-unmasked", "kept kept_taught"),
        ([90, 60, 20], "toy-pad-is-eos", "forgot rule_matters"),
    ],
)
def test_the_verdict_is_that_of_the_whole_curve(eos: list[float], rule: str, said: str) -> None:
    looks = [
        {"step": 5 * index, "eos_after_text": end, "pad_after_text": 0, "text_loss": 2, "training_loss": 3}
        for index, end in enumerate(eos)
    ]
    experiment = Finetune()
    begun = experiment.so_far(FinetuneParams(rule=rule), looks)
    result = {**begun, "eos_percent": float(eos[-1]), "learnt_at": None, "sentences": 9}
    words = " ".join(f"finetune.{key}" for key in said.split())
    said_words = experiment.show(result, keys).notes[0]  # type: ignore[arg-type]
    assert said_words == words


def keys(key: str, why: str = "", **_values: object) -> str:
    """The key of a sentence, and of the one that is put into it."""
    return f"{key} {why}".strip()


def test_the_curves_are_drawn_to_the_planned_end(text: Words) -> None:
    look = {"eos_after_text": 1.0, "pad_after_text": 0.5, "text_loss": 2.0, "training_loss": 3.0}
    experiment = Finetune()
    begun = experiment.so_far(experiment.params(), [{"step": 0, **look}, {"step": 5, **look}])
    figures = experiment.show(begun, text).figures
    assert list(figures) == ["ends", "losses"]
    assert figures["ends"].layout["xaxis"]["range"] == [0, 1.4 * 120]
    done = {**begun, "eos_percent": 1.0, "learnt_at": None, "sentences": 9}
    assert experiment.show(done, text).notes[0].startswith("At no look does it expect EOS")
    assert np.asarray(done["steps"]).tolist() == [0, 5]
    assert REGISTRY.find("q01/finetune").seconds(experiment.params(), "cuda") < 10
