"""Quality: three specimens on the same held-out text, when there is a verdict, and what papers report."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from labs.q06_gqa import quality
from labs.q06_gqa.cache_bytes import VARIANTS
from labs.q06_gqa.decoding import random_models
from labs.q06_gqa.quality import SPECIMENS, published_changes
from labs.tools import heldout
from labs.tools.ranking import UNRESOLVED, intervals, verdict
from minimind_core.errors import DataError
from minimind_core.files.checkpoint import load_model
from questions import load_question
from tests.labs.one_lab import Run, Show


@pytest.fixture(scope="module")
def result(run: Run) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "WINDOW", 64)
        return run("quality", windows=4)


def test_the_specimens_share_a_tokenizer() -> None:
    texts = {load_model(name).tokenizer.decode(list(range(300))) for name in SPECIMENS.values()}
    assert len(texts) == 1


def test_the_same_text_is_read_with_three_models(result: dict[str, Any]) -> None:
    assert list(result["perplexity"]) == list(SPECIMENS) == list(VARIANTS)
    tokenizer = load_model(SPECIMENS["mha"]).tokenizer
    rows = heldout.windows(tokenizer, heldout.held_out("both"), 4, 64, 0)
    for name, perplexity in result["perplexity"].items():
        losses = heldout.window_losses(load_model(SPECIMENS[name]).model, rows, lambda _: None)
        assert perplexity == pytest.approx(math.exp(losses.mean()), rel=1e-4)
        span = result["perplexity_interval"][name]
        assert span["low"] < perplexity < span["high"]
    assert result["verdict"] in (*SPECIMENS, UNRESOLVED)


def test_each_model_is_drawn_with_its_own_interval(result: dict[str, Any], show: Show) -> None:
    figures = show("quality", result).figures
    (marks,) = figures["perplexity"].data
    assert marks["x"] == ["MHA (8)", "GQA-2", "MQA (1)"] and marks["y"] == list(result["perplexity"].values())
    for index, span in enumerate(result["perplexity_interval"].values()):
        assert marks["y"][index] + marks["error_y"]["array"][index] == pytest.approx(span["high"])
        assert marks["y"][index] - marks["error_y"]["arrayminus"][index] == pytest.approx(span["low"])
    gqa, mqa = figures["published"].data
    assert (gqa["name"], mqa["name"]) == ("GQA, 8 groups", "MQA")
    assert gqa["x"] == list(published_changes("gqa").values())
    assert mqa["x"] == list(published_changes("mqa").values())


def test_no_verdict_where_intervals_overlap() -> None:
    random = np.random.default_rng(0)
    base = random.normal(3, 0.5, 40)
    close = {"a": base, "b": base + random.normal(0.02, 0.01, 40)}
    assert verdict(means(close), intervals(close, 0)) == UNRESOLVED
    far = {"a": base, "b": base + 2}
    assert verdict(means(far), intervals(far, 0)) == "a"
    assert intervals(close, 0) == intervals(close, 0) != intervals(close, 1)
    span = intervals({"a": base}, 0)["a"]
    assert span["high"] - span["low"] == pytest.approx(2 * 1.96 * base.std() / 40**0.5, rel=0.1)


def means(losses: dict[str, Any]) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in losses.items()}


def test_published_changes_are_those_of_the_claims() -> None:
    assert published_changes("mqa").keys() == load_question("q06_gqa").claim("Q6-C7").value.keys()  # type: ignore[union-attr]
    rounded = {name: round(change, 1) for name, change in published_changes("mqa").items()}
    assert rounded == {"shazeer": 1.0, "t5": 1.3, "llama": 0.9, "deepseek_mmlu": 16.2, "deepseek_ceval": 30.1}
    assert round(published_changes("gqa")["llama"], 1) == -0.3


def test_held_out_text_and_training_text_are_apart() -> None:
    assert not set(heldout.HELD_OUT_FILES) & set(heldout.TRAINING_FILES)
    assert not set(heldout.held_out("both")) & set(heldout.training())
    tokenizer = load_model("nano-mha").tokenizer
    rows = heldout.windows(tokenizer, heldout.held_out("english"), 6, 32, 0)
    assert rows.shape == (6, 33)
    assert torch.equal(rows, heldout.windows(tokenizer, heldout.held_out("english"), 6, 32, 0))
    assert not torch.equal(rows, heldout.windows(tokenizer, heldout.held_out("english"), 6, 32, 1))
    source = heldout.Stretches(rows, 4)
    assert torch.equal(source.batch(1).inputs[2], rows[0, :-1])  # the text starts again
    with pytest.raises(DataError, match="too short"):
        heldout.windows(tokenizer, ["x"], 1, 32, 0)


def test_a_python_without_sources_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(heldout.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    with pytest.raises(DataError, match="comes without its library's sources"):
        heldout.held_out("code")


def test_window_losses_are_mean_cross_entropies() -> None:
    (model,) = random_models([1], "cpu", torch.float32)
    rows, shares = torch.arange(3 * 5).view(3, 5) + 3, []
    with torch.inference_mode():
        logits = model(rows[:, :-1])
    expected = -logits.log_softmax(-1).gather(-1, rows[:, 1:, None]).squeeze(-1).mean(1)
    losses = heldout.window_losses(model, rows, shares.append, batch_size=2)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert shares == [0, 2 / 3]
