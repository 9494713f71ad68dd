"""Shared heads: orders, equal results, memory, and the two experiments about one layer."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from labs.q06_gqa import claims, layer
from labs.q06_gqa.claims_core import repeat_kv as written_out
from labs.q06_gqa.sharing import (
    SHARED_WAYS,
    attend_repeated,
    attend_tiled,
    decode_inputs,
    largest_differences,
    repeat_kv,
    sentinel_reads,
    tile_kv,
)
from labs.tools.budgets import PerDevice
from labs.tools.created_bytes import created_bytes
from questions import load_question
from tests.labs.one_lab import REGISTRY, Run, Show


def inputs(kv_heads: int, tokens: int = 96, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return decode_inputs(kv_heads, 2, tokens, seed, "cpu", torch.float32)


@pytest.mark.parametrize("n_rep", [1, 2, 4, 8])
def test_repeat_kv_is_repeat_interleave_bit_for_bit(n_rep: int) -> None:
    x = torch.randn(2, 4, 3, 5)
    assert torch.equal(repeat_kv(x, n_rep), x.repeat_interleave(n_rep, dim=1))
    assert torch.equal(repeat_kv(x, n_rep), written_out(x.transpose(1, 2), n_rep).transpose(1, 2))
    assert (repeat_kv(x, n_rep) is x) is (n_rep == 1)


def test_expanded_head_h_is_head_h_over_n_rep() -> None:
    x = torch.randn(2, 2, 5, 64)
    repeated, tiled = repeat_kv(x, 4), tile_kv(x, 4)
    assert repeated.shape == tiled.shape == (2, 8, 5, 64)
    for head in range(8):
        assert torch.equal(repeated[:, head], x[:, head // 4])
        assert torch.equal(tiled[:, head], x[:, head % 2])


@pytest.mark.parametrize("kv_heads", [1, 2, 4, 8])
def test_every_way_reads_the_right_head_and_gives_the_same(kv_heads: int) -> None:
    expected = [head // (8 // kv_heads) for head in range(8)]
    for way in SHARED_WAYS.values():
        assert sentinel_reads(way, kv_heads, 17, "cpu") == expected
    assert sentinel_reads(attend_tiled, kv_heads, 17, "cpu") == [head % kv_heads for head in range(8)]
    assert max(largest_differences(inputs(kv_heads)).values()) < 1e-5


@pytest.mark.parametrize("kv_heads", [1, 2, 4, 8])
def test_the_tiled_order_is_wrong_except_at_the_ends(kv_heads: int) -> None:
    for seed in range(3):
        given = inputs(kv_heads, 512, seed)
        apart = float((attend_tiled(*given) - attend_repeated(*given)).abs().max())
        assert apart == 0 if kv_heads in (1, 8) else apart > 0.1


def test_only_repetition_creates_the_expanded_heads() -> None:
    given = inputs(2)
    output = given[0].nbytes
    expanded = 4 * (given[1].nbytes + given[2].nbytes)
    created = {name: created_bytes(lambda way=way: way(*given)) for name, way in SHARED_WAYS.items()}
    assert created["repeat"] >= expanded + output
    assert max(created["native"], created["grouped"]) < expanded / 2


def test_views_create_nothing() -> None:
    x = torch.zeros(4, 4)
    assert created_bytes(lambda: x.view(2, 8).expand(3, 2, 8).transpose(0, 1)) == 0
    assert created_bytes(lambda: (x + 1) + 1) == 2 * x.nbytes


def test_eight_heads_are_plain_mha() -> None:
    queries, keys, values = inputs(8)
    scores = torch.einsum("bhtd,bhsd->bhts", queries, keys) / queries.shape[-1] ** 0.5
    plain = torch.einsum("bhts,bhsd->bhtd", scores.softmax(-1), values)
    for way in SHARED_WAYS.values():
        torch.testing.assert_close(way(queries, keys, values), plain, atol=1e-5, rtol=1e-4)


@pytest.fixture(scope="module")
def wired(run: Run) -> dict[str, Any]:
    return run("wiring")


def test_wiring_is_what_the_formula_says(wired: dict[str, Any]) -> None:
    assert wired["formula"] == claims.wiring()
    assert wired["grouped"] == wired["formula"]["grouped"] == [0] * 4 + [1] * 4
    assert wired["tiled"] == wired["formula"]["tiled"] == [0, 1] * 4
    wrong = [head for head, apart in enumerate(wired["difference_by_head"]) if apart > 0]
    assert wrong == [1, 3, 4, 6] and max(wired["difference_by_head"]) > 0.1


@pytest.mark.parametrize("order", ["grouped", "tiled"])
def test_every_query_head_is_drawn_to_the_head_that_it_read(
    wired: dict[str, Any], show: Show, order: str
) -> None:
    experiment = REGISTRY.find("q06/wiring")
    result = experiment.complete(experiment.params.from_dict({"order": order}), wired)
    assert result["view"] == {"reads": wired[order], "right": order == "grouped"}
    figure = show("wiring", result).figures["wiring"]
    lines = {trace["meta"]["role"]: trace["x"] for trace in figure.data if trace["mode"] == "lines"}
    queries, keys = (trace["x"] for trace in figure.data if "markers" in trace["mode"])
    read = {x[start]: keys.index(x[start + 1]) for x in lines.values() for start in range(0, len(x), 3)}
    assert queries == list(range(8)) and [read[head] for head in queries] == wired[order]
    wrong = lines.get("said", [])[::3]
    assert wrong == ([] if order == "grouped" else [1, 3, 4, 6])


@pytest.fixture(scope="module")
def layer_result(run: Run) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer, "SECONDS", PerDevice(cpu=0.3, cuda=0.3))
        return run("layer", tokens=512)


def test_one_layer_agrees_and_repetition_asks_for_memory(layer_result: dict[str, Any]) -> None:
    assert list(layer_result["differences"]) == ["native", "grouped"]
    assert max(layer_result["differences"].values()) < 1e-5
    assert layer_result["extra_bytes"]["repeat"] > 2 * layer_result["extra_bytes"]["native"]
    assert layer_result["relative"]["mha"] == {"median": 1, "low": 1, "high": 1}
    assert set(layer.OPTIONS) == {choice.id for choice in load_question("q06_gqa").predictions[2].choices}


def test_repetition_is_the_slowest(layer_result: dict[str, Any]) -> None:
    assert layer_result["slowest"] == "repeat"
    assert layer_result["relative"]["native"]["median"] < 1.2


def test_each_way_is_drawn_with_its_own_time_and_memory(layer_result: dict[str, Any], show: Show) -> None:
    figures = show("layer", layer_result).figures
    (time, labels), (extra,) = figures["time"].data, figures["extra"].data
    assert time["x"] == labels["x"] == extra["x"] == ["MHA", "enable_gqa", "grouped product", "repeat_kv"]
    for index, way in enumerate(("mha", "native", "grouped", "repeat")):
        measured = layer_result["milliseconds"][way]
        assert time["y"][index] == measured["median"]
        assert time["y"][index] + time["error_y"]["array"][index] == pytest.approx(measured["high"])
        assert labels["y"][index] == pytest.approx(measured["high"]), "beyond the whisker"
        assert time["y"][index] - time["error_y"]["arrayminus"][index] == pytest.approx(measured["low"])
        assert extra["y"][index] == layer_result["extra_bytes"][way] / 10**6
