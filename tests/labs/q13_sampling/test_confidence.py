"""A nucleus follows the model's confidence: on the shipped models, and as it is drawn."""

from __future__ import annotations

import statistics

import pytest

from labs.contract import Words
from labs.q13_sampling.confidence import MODELS, TEXT, Confidence, ModelConfidence
from labs.runner.inline import InlineClient
from tests.labs.one_lab import REGISTRY, completed


def test_confidence_follows_training() -> None:
    client = InlineClient.start("cpu", registry=REGISTRY)
    models = completed(client.submit("q13/confidence"))["models"]
    assert list(models) == list(MODELS)
    assert models["nano-rope"]["mean_kept"] < 0.6 * models["nano-rope-early"]["mean_kept"]
    assert models["nano-rope"]["mean_entropy"] < models["nano-rope-early"]["mean_entropy"]
    for model in models.values():
        kept, entropy = model["kept"], model["entropy"]
        assert "".join(model["tokens"]) == TEXT and len(kept) == len(entropy) == len(model["tokens"])
        assert model["mean_kept"] == pytest.approx(sum(kept) / len(kept))
        assert model["mean_entropy"] == pytest.approx(sum(entropy) / len(entropy), rel=1e-4)
        assert model["median_kept"] == statistics.median(kept) and max(kept) <= model["vocab_size"]
    everything = completed(client.submit("q13/confidence", {"top_p": 1.0}))["models"]
    assert {size for model in everything.values() for size in model["kept"]} == {1024, 6400}


def test_figures_table_and_numbers_say_which_model_is_which(text: Words) -> None:
    def model(base: float) -> ModelConfidence:
        return {
            "tokens": ["a", " b"],
            "kept": [int(base), int(base) + 1],
            "entropy": [base / 10, base / 5],
            "mean_kept": base + 0.5,
            "median_kept": base,
            "mean_entropy": base / 7,
            "vocab_size": int(base) * 100,
        }

    models = {name: model(10.0 * rank) for rank, name in enumerate(MODELS, 1)}
    shown = Confidence().show({"models": models}, text)
    kept, along = shown.figures["kept"], shown.figures["along"]
    names = ["nano, hardly trained", "nano, trained", "26M"]
    assert [trace["name"] for trace in kept.data] == names
    assert [trace["meta"]["role"] for trace in kept.data] == ["removed", "measured", "peer"]
    assert [(trace["x"], trace["y"]) for trace in kept.data] == [
        ([1.0, 2.0], [10, 11]),
        ([2.0, 4.0], [20, 21]),
        ([3.0, 6.0], [30, 31]),
    ]
    assert kept.layout["xaxis"]["title"]["text"] == "Entropy (nats)"
    assert [trace["name"] for trace in along.data] == names[:2]
    assert [(trace["x"], trace["y"]) for trace in along.data] == [([1, 2], [10, 11]), ([1, 2], [20, 21])]
    assert [figure.layout["yaxis"]["title"]["text"] for figure in (kept, along)] == ["Tokens kept"] * 2
    assert shown.rows[1] == {
        "Model": "nano, trained",
        "Tokens kept, mean": 20.5,
        "Tokens kept, median": 20.0,
        "Entropy (nats)": 20.0 / 7,
        "Vocabulary": 2000,
    }
    assert shown.numbers == {
        f"Tokens kept, mean, {name}": 10.5 + 10 * index for index, name in enumerate(names)
    }
