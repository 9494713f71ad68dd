"""Masks: which agree with attention written out, in numbers and in the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q08_speedup.causal_masks import heads, last_rows, ways, written_out
from labs.q08_speedup.masks import MASKS, RIGHT, MasksParams, allowed
from tests.labs.one_lab import OneLab, Run, Show


def test_one_query_with_the_flag_is_the_first_value(run: Run, show: Show) -> None:
    result = run("masks", queries=1, keys=100)
    assert result["first_value"] < 1e-6 < RIGHT < result["difference"]["flag"]
    assert result["difference"]["none"] < RIGHT, "a single query needs no mask"
    assert result["both"] == {"math": "RuntimeError", "fused": "triangle"}
    assert "first value vector" in show("masks", result).notes[0]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 16), st.integers(0, 30), st.integers(0, 8))
def test_the_drawn_cells_are_what_each_mask_computes(queries: int, more: int, empty: int) -> None:
    """Attention written out with the drawn cells is SDPA with that mask; the explicit one is the truth."""
    keys = queries + more + empty
    q, k, v = heads(queries, keys)
    given_ways = ways(queries, keys, empty)
    assert list(given_ways) == list(MASKS)
    for mask, out in given_ways.items():
        cells = torch.from_numpy(allowed(mask, queries, keys, empty))
        assert torch.allclose(written_out(q, k, v, cells), out, atol=1e-5), mask
    assert torch.equal(last_rows(queries, keys, empty), cells)


def test_empty_slots_spoil_every_mask_but_that_by_position(run: Run, show: Show) -> None:
    result = run("masks", view={"mask": "lower_right"}, queries=4, keys=20, empty=3)
    wrong = {mask for mask, difference in result["difference"].items() if difference > RIGHT}
    assert wrong == {"flag", "none", "lower_right"}
    cells = result["view"]["cells"]
    assert (cells == 2).sum() == 4 * 3 and (cells == 3).sum() == 0
    drawn = show("masks", result).figures["cells"].data
    assert sum(len(trace["x"]) for trace in drawn) == cells.size
    assert np.all((cells == 1) | (cells == 2) == allowed("lower_right", 4, 20, 3))


def test_more_queries_than_keys_are_refused(lab: OneLab) -> None:
    assert lab.refused("masks", queries=10, keys=8).endswith("take more keys.")
    changed = MasksParams.clamp({"queries": 10, "keys": 8})[1]
    assert changed and MasksParams().keys == 24


def test_the_flag_is_right_where_there_are_as_many_keys(run: Run) -> None:
    result = run("masks", queries=7, keys=7)
    assert result["difference"] == pytest.approx(
        {"flag": 0, "lower_right": 0, "explicit": 0, "none": 1}, abs=2
    )
    assert result["difference"]["flag"] < RIGHT < result["difference"]["none"]
