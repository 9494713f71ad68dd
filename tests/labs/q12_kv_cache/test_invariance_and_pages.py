"""What an edit reaches, how far roundings go, and what slots and blocks reserve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q12_kv_cache.pages import PLACES, SLOT_PLACES, PagesParams, make_requests
from minimind_core.decoding.blocks import occupancy
from tests.labs.one_lab import REGISTRY, OneLab

TEXT: dict[str, Any] = {"length": 10, "edited": 4, "rows": 2}


@pytest.fixture(scope="module")
def invariance(lab: OneLab) -> dict[str, Any]:
    return lab.result("invariance", **TEXT)


@pytest.fixture(scope="module")
def pages(lab: OneLab) -> dict[str, Any]:
    return lab.result("pages", requests=60)


def test_an_edit_reaches_later_keys_above_the_first_layer_only(invariance: dict[str, Any]) -> None:
    change = np.asarray(invariance["change"])  # [L, T]
    assert change.shape == (8, 10)
    assert (change[:, :4] == 0).all() and (change[0, 5:] == 0).all()
    assert (change[1:, 5:] > 0).all() and (change[:, 4] > 0).all()
    assert invariance["before"] == 0 and invariance["after"] == pytest.approx(change[:, 5:].max())


def test_the_ways_differ_by_rounding_of_their_precision(invariance: dict[str, Any]) -> None:
    limits = {"float64": 1e-11, "float32": 1e-3, "bfloat16": 2}
    for dtype, ways in invariance["agreement"].items():
        assert set(ways) == {"cached", "pieces", "batch", "padded"}
        assert all(way["largest"] < limits[dtype] for way in ways.values()), dtype
    assert all(way["same_choice"] == 1 for way in invariance["agreement"]["float64"].values())
    assert invariance["parts"][0] == "embed_tokens" and invariance["by_part"][0] == 0
    assert len(invariance["parts"]) == 2 + 8 * 9


def test_the_unchanged_keys_are_holes(invariance: dict[str, Any], lab: OneLab) -> None:
    (cells,) = lab.show("invariance", invariance).figures["edit"].data
    assert all(shade is None for layer in cells["z"] for shade in layer[:4])
    assert all(shade is not None for layer in cells["z"][1:] for shade in layer[4:])


def test_an_edit_outside_the_text_is_one_sentence(lab: OneLab) -> None:
    refused = lab.refused("invariance", length=10, edited=10)
    assert refused == "The text has the tokens 0 to 9; edit one of them."


def test_slots_reserve_their_length_and_blocks_what_is_used(pages: dict[str, Any]) -> None:
    lengths = [request.places for request in make_requests(PagesParams(requests=60))]
    assert pages["formula_share"]["slots"] == pytest.approx(100 * sum(lengths) / (SLOT_PLACES * 60))
    assert pages["formula_share"]["blocks"] == 100 * occupancy(lengths, 16).share
    for way, trace in pages["traces"].items():
        assert all(
            0 < tokens <= places <= PLACES
            for places, tokens in zip(trace["places"], trace["tokens"], strict=True)
        )
        assert pages["share"][way] == pytest.approx(100 * sum(trace["tokens"]) / sum(trace["places"]))
    assert pages["share"]["blocks"] > 90 > 50 > pages["share"]["slots"]
    assert pages["most_running"]["slots"] == 32 < pages["most_running"]["blocks"]
    assert pages["read"]["slots"] - pages["read"]["blocks"] == pages["found"] > 0


def test_the_map_is_that_of_the_block_tables(pages: dict[str, Any], lab: OneLab) -> None:
    tokens, holders = pages["map"]["tokens"], pages["map"]["holders"]
    assert len(tokens) == len(holders) == PLACES // 16
    held = [count for count in tokens if count >= 0]
    assert 16 * len(held) == max(pages["traces"]["blocks"]["places"])
    assert [count > 0 for count in holders] == [count >= 0 for count in tokens]
    assert sum(count > 1 for count in holders) == 4  # the shared prefix of 64 tokens
    cells, marks = lab.show("pages", pages).figures["map"].data
    assert sum(cell is not None for row in cells["z"] for cell in row) == len(held) and len(marks["x"]) == 4


@given(st.integers(0, 99), st.sampled_from([0, 64, 160]))
@settings(max_examples=10, deadline=None)
def test_every_request_fits_a_slot(seed: int, prefix: int) -> None:
    requests = make_requests(PagesParams(prefix=prefix, seed=seed))
    assert all(request.places <= SLOT_PLACES for request in requests)
    assert len({request.prompt[:prefix] for request in requests}) == 1


def test_pages_draw_themselves_while_they_run(lab: OneLab) -> None:
    job = lab.done("pages", requests=60)
    half = REGISTRY.find("q12/pages").so_far(PagesParams(requests=60), job.partials[:3])
    assert half is not None and "share" in lab.show("pages", half).figures
