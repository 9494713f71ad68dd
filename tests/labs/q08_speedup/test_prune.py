"""Pruning: what is taken out, that a smaller model is the zeroed one, and that CSR computes the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labs.q08_speedup import prune, pruning
from labs.q08_speedup.prune import Prune
from labs.tools.models import TINY, untrained
from minimind_core.errors import ConfigError
from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import OneLab, Show
from tests.labs.q08_speedup.conftest import lively

BRIEF = prune.PerDevice(cpu=0.01, cuda=0.01)
SHARED = TINY.replace(num_heads=8, num_kv_heads=2)
UNSHARED = TINY.replace(num_heads=4, num_kv_heads=4)


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    lab = OneLab("q08", "random:byte-128", smaller=[(prune, "SECONDS", BRIEF)])
    return lab.result("prune", windows=1, sparsity=60)


@pytest.fixture
def ids() -> Tensor:
    return torch.randint(0, 300, (2, 12), generator=torch.Generator().manual_seed(0))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100), st.integers(0, 99))
def test_the_smallest_numbers_go_and_no_other(percent: int, seed: int) -> None:
    weight = torch.randn(6, 16, generator=torch.Generator().manual_seed(seed))
    pruned = pruning.without_smallest(weight, percent / 100)
    kept = pruned != 0
    assert int(kept.sum()) == 96 - round(0.96 * percent)
    assert torch.equal(pruned[kept], weight[kept])
    if 0 < kept.sum() < 96:
        assert weight[kept].abs().min() >= weight[~kept].abs().max()


def test_two_of_every_four_neighbours_stay() -> None:
    weight = torch.randn(8, 16, generator=torch.Generator().manual_seed(0))
    pruned = pruning.two_of_four(weight)
    quads, before = pruned.view(-1, 4), weight.view(-1, 4)
    assert (quads.count_nonzero(1) == 2).all()
    assert torch.equal(quads.abs().sum(1), before.abs().sort(1).values[:, 2:].sum(1))


@torch.no_grad()
def silenced_heads(model: MiniMind, smaller: MiniMind) -> None:
    """Set to zero, in place, what `smaller` no longer has of the output projection."""
    for layer, other in zip(model.model.layers, smaller.model.layers, strict=True):
        columns, left = layer.self_attn.o_proj.weight, other.self_attn.o_proj.weight
        gone = [not bool((column == left.T).all(1).any()) for column in columns.T]
        columns[:, torch.tensor(gone)] = 0


@pytest.mark.parametrize("config", [SHARED, UNSHARED], ids=["shared", "unshared"])
def test_a_model_of_fewer_heads_is_the_one_whose_heads_are_silent(config: ModelConfig, ids: Tensor) -> None:
    model = untrained(config, "cpu").eval()
    smaller = pruning.with_fewer_heads(model, 0.5)
    assert smaller.config.num_heads == config.num_heads // 2
    assert smaller.config.group_size == max(1, config.group_size // 2)
    silenced_heads(model, smaller)
    torch.testing.assert_close(smaller(ids), model(ids))


def test_a_model_of_fewer_channels_is_the_one_whose_channels_are_silent(ids: Tensor) -> None:
    model = lively(seed=1)
    smaller = pruning.with_fewer_channels(model, 0.75)
    assert smaller.config.intermediate_size == TINY.intermediate_size // 4
    with torch.no_grad():
        for layer, other in zip(model.model.layers, smaller.model.layers, strict=True):
            gates, left = layer.mlp.gate_proj.weight, other.mlp.gate_proj.weight
            gone = torch.tensor([not bool((row == left).all(1).any()) for row in gates])
            assert int(gone.sum()) == TINY.intermediate_size * 3 // 4
            layer.mlp.down_proj.weight[:, gone] = 0
    torch.testing.assert_close(smaller(ids), model(ids))


def test_the_largest_stay() -> None:
    model = lively(seed=2)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.mlp.up_proj.weight[5] *= 1000
            layer.self_attn.q_proj.weight[-TINY.head_dim :] *= 1000  # the last head
    channels, heads = pruning.with_fewer_channels(model, 0.9), pruning.with_fewer_heads(model, 0.5)
    for layer, few, fewer in zip(model.model.layers, channels.model.layers, heads.model.layers, strict=True):
        assert (few.mlp.up_proj.weight == layer.mlp.up_proj.weight[5]).all(1).any()
        last = layer.self_attn.q_proj.weight[-TINY.head_dim :]
        assert torch.equal(fewer.self_attn.q_proj.weight[-TINY.head_dim :], last)


def test_csr_computes_the_same_from_other_bytes(ids: Tensor) -> None:
    model = lively(seed=3)
    zeros = pruning.zeroed(model, lambda weight: pruning.without_smallest(weight, 0.8))
    sparse = pruning.stored_sparse(model, 0.8)
    torch.testing.assert_close(sparse(ids), zeros(ids), rtol=1e-4, atol=1e-4)
    nonzeros, linears = pruning.layer_nonzeros(zeros), list(pruning.layer_linears(zeros))
    assert pruning.layer_nonzeros(sparse) == nonzeros < 0.21 * pruning.layer_numbers(model)
    starts = sum(linear.out_features + 1 for linear in linears)
    assert pruning.layer_bytes(sparse) == 8 * nonzeros + 4 * starts
    assert pruning.layer_bytes(zeros) == pruning.layer_bytes(model) == 4 * pruning.layer_numbers(model)
    assert model.model.layers[0].mlp.up_proj.weight.count_nonzero() == TINY.intermediate_size * 64


def test_a_mixture_of_experts_is_refused_in_one_sentence() -> None:
    experts = untrained(TINY.replace(num_experts=2), "cpu")
    for refused in (pruning.with_fewer_heads, pruning.with_fewer_channels, pruning.stored_sparse):
        with pytest.raises(ConfigError, match="choose one without experts"):
            refused(experts, 0.5)


def test_a_result_holds_what_was_asked_for(result: dict[str, Any], show: Show) -> None:
    ways = result["ways"]
    asked = [f"{kind}_{percent}" for kind in ("numbers", "csr") for percent in (25, 50, 60, 75)]
    rest = [f"{kind}_{percent}" for kind in ("heads", "channels") for percent in (25, 50, 75)]
    assert list(ways) == [*asked, "two_four_50", *rest]
    for percent in (25, 50, 60, 75):
        assert ways[f"numbers_{percent}"]["removed"] == pytest.approx(percent / 100, abs=1e-3)
        assert ways[f"csr_{percent}"]["perplexity"] == ways[f"numbers_{percent}"]["perplexity"]
    assert result["half_zeros"] == ways["numbers_50"]["speedup"]["median"] > 0
    shown = show("prune", result)
    assert shown.sentence is not None and shown.sentence["measured"] == result["half_zeros"]
    drawn = {trace["name"]: trace["y"] for trace in shown.figures["speed"].data[:5]}
    heads = [ways[f"heads_{percent}"]["speedup"]["median"] for percent in (25, 50, 75)]
    assert drawn["query heads"] == heads


@pytest.mark.parametrize(("speed", "key"), [(1.0, "launches"), (1.4, "smaller")])
def test_time_is_said_to_follow_only_where_it_does(result: dict[str, Any], speed: float, key: str) -> None:
    same = {"median": speed, "low": speed - 0.05, "high": speed + 0.05}
    ways = {name: {**way, "speedup": same} for name, way in result["ways"].items()}
    notes = Prune().show({**result, "ways": ways}, lambda key, **values: key).notes  # type: ignore[arg-type]
    assert notes[-1] == f"prune.{key}"
