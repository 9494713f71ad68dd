"""From MHA to fewer heads: pooling as it is written, what it costs, and that training on mends."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from labs.q06_gqa import convert
from labs.q06_gqa.convert import LENGTH, ConvertParams, pool_heads, pooled, train_on
from labs.tools.models import assembled
from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import REGISTRY, Run, Show

SMALL = ModelConfig(
    vocab_size=40, hidden_size=32, num_layers=2, num_heads=8, num_kv_heads=2, head_dim=8, intermediate_size=32
)
HEADS = ["8", "4", "2", "1"]


def small_model(kv_heads: int) -> MiniMind:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return MiniMind(SMALL.replace(num_kv_heads=kv_heads)).eval()


def duplicated(model: MiniMind) -> MiniMind:
    """A KV head for every query head, made of copies side by side: the same function."""

    def side_by_side(name: str, tensor: Tensor) -> Tensor:
        if not name.endswith(("k_proj.weight", "v_proj.weight")):
            return tensor
        heads = tensor.view(model.config.num_kv_heads, model.config.head_dim, -1)
        return heads.repeat_interleave(model.config.group_size, dim=0).flatten(0, 1)

    tensors = {name: side_by_side(name, tensor) for name, tensor in model.state_dict().items()}
    return assembled(model.config.replace(num_kv_heads=model.config.num_heads), tensors)


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_duplicated_weights_give_equal_logits(kv_heads: int) -> None:
    model, ids = small_model(kv_heads), torch.arange(24).view(2, 12)
    full = duplicated(model)
    assert full.config.num_kv_heads == 8
    torch.testing.assert_close(full(ids), model(ids), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_pooling_undoes_duplication_and_eight_heads_stay(kv_heads: int) -> None:
    model, ids = small_model(kv_heads), torch.arange(24).view(2, 12)
    torch.testing.assert_close(pooled(duplicated(model), kv_heads)(ids), model(ids), atol=1e-5, rtol=1e-5)
    full = small_model(8)
    assert torch.equal(pooled(full, 8)(ids), full(ids))
    assert not torch.allclose(pooled(full, kv_heads)(ids), full(ids), atol=1e-3)


def test_pooled_heads_are_the_means_of_neighbours() -> None:
    weight = torch.arange(8.0)[:, None].expand(8, 3).repeat_interleave(2, dim=0)  # head j is j, D = 2
    assert pool_heads(weight, 8, 2)[:, 0].tolist() == [1.5, 1.5, 5.5, 5.5]


def test_a_copy_is_trained_and_the_model_stays_as_it_is() -> None:
    model = small_model(8)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    copy, shares = pooled(model, 8), []
    rows = torch.arange(4 * (LENGTH + 1)).view(4, -1) % 30 + 3
    losses = train_on(copy, rows, ConvertParams(steps=3, learning_rate=1e-2), shares.append)
    assert len(losses) == 3 and losses[-1] < losses[0] and shares == [1 / 3, 2 / 3, 1] and not copy.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not torch.equal(copy.model.embed_tokens.weight, model.model.embed_tokens.weight)
    assert train_on(copy, rows, ConvertParams(steps=0), shares.append) == []


@pytest.fixture(scope="module")
def result(run: Run) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert, "SCORED_WINDOWS", 4)
        patch.setattr(convert, "WINDOW", 64)
        return run("convert", steps=2)


def test_conversion_hurts_more_the_fewer_heads_and_training_mends(result: dict[str, Any]) -> None:
    assert list(result["perplexity"]) == list(result["curves"]) == HEADS
    before = [result["perplexity"][heads]["before"] for heads in HEADS]
    assert before == sorted(before) and before[1] > 2 * before[0]
    assert [len(curve) for curve in result["curves"].values()] == [2] * 4
    for heads in HEADS[1:]:
        assert result["perplexity"][heads]["after"] < result["perplexity"][heads]["before"]


def test_before_and_after_are_drawn_as_such(result: dict[str, Any], show: Show) -> None:
    figures = show("convert", result).figures
    drawn = {"before": ("removed", "after averaging"), "after": ("measured", "after more training")}
    for (when, look), trace in zip(drawn.items(), figures["perplexity"].data, strict=True):
        assert (trace["meta"]["role"], trace["name"]) == look
        assert trace["x"] == HEADS and trace["y"] == [result["perplexity"][heads][when] for heads in HEADS]
    for heads, trace in zip(HEADS, figures["curves"].data, strict=True):
        assert trace["x"] == [1, 2] and trace["y"] == result["curves"][heads].tolist()
    names = {note["text"]: note["x"] for note in figures["curves"].layout["annotations"]}
    assert names == dict.fromkeys(HEADS, 2)


def test_without_training_on_nothing_changes_and_no_curve_is_named(
    run: Run, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "SCORED_WINDOWS", 2)
    monkeypatch.setattr(convert, "WINDOW", 64)
    result = run("convert", steps=0)
    assert [row["before"] == row["after"] for row in result["perplexity"].values()] == [True] * 4
    assert "annotations" not in show("convert", result).figures["curves"].layout


def test_estimates_grow_with_the_steps() -> None:
    experiment = REGISTRY.find("q06/convert")
    params = experiment.params
    for device in ("cpu", "cuda"):
        few, many = (experiment.seconds(params.from_dict({"steps": steps}), device) for steps in (0, 100))  # type: ignore[arg-type]
        assert many > few
