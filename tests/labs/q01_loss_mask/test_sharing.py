"""Packing and prefixes: counts against brute force, and losses that must not depend on the neighbours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.contract import Words
from labs.q01_loss_mask.packing import LENGTHS, Packing, first_fit, useful_percent
from labs.q01_loss_mask.prefix import CONTEXTS, Prefix
from labs.runner.inline import InlineClient
from tests.labs.one_lab import Run, completed


@given(st.lists(st.integers(1, 20), min_size=1, max_size=30), st.integers(20, 40))
def test_every_text_is_packed_once_and_no_row_overflows(lengths: list[int], length: int) -> None:
    rows = first_fit(lengths, length)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in row) <= length for row in rows)
    assert len(rows) < 2 * sum(lengths) / length + 1


@given(st.lists(st.integers(2, 50), min_size=1, max_size=20), st.sampled_from(LENGTHS), st.integers(1, 9))
def test_padding_less_is_never_worse(lengths: list[int], length: int, batch_size: int) -> None:
    shares = useful_percent(lengths, length, batch_size)
    assert 0 < shares["padding"] <= shares["dynamic"] + 1e-9 <= 100 + 2e-9
    assert shares["padding"] <= shares["packing"] + 1e-9 <= 100 + 2e-9
    mean = sum(min(one, length) for one in lengths) / len(lengths)
    assert shares["padding"] == pytest.approx(100 * (mean - 1) / (length - 1))


def test_packed_texts_are_alone_only_behind_their_mask(run: Run, text: Words) -> None:
    result = run("packing", texts=50, max_length=128)
    assert result["difference"] < 1e-3
    assert result["kept_apart"] == pytest.approx(result["apart"], abs=1e-3)
    assert result["joined"][0] == pytest.approx(result["apart"][0], abs=1e-3)
    assert max(abs(one - other) for one, other in zip(result["joined"], result["apart"], strict=True)) > 1e-3
    assert result["view"]["padding"] == pytest.approx(result["view"]["formula"])
    assert result["view"]["packing"] > result["view"]["padding"]
    shown = Packing().show(result, text)
    assert len(shown.rows) == len(LENGTHS) and len(shown.figures["losses"].data) == 3


def test_positions_have_to_restart_where_they_are_learned_and_not_for_rope(
    client: InlineClient, run: Run
) -> None:
    assert run("packing", texts=50)["mask_alone"] < 1e-3
    learned = completed(client.submit("q01/packing", {"texts": 50}, model="nano-learned"))
    assert learned["difference"] < 1e-3 < 0.1 < learned["mask_alone"]


def test_one_pass_gives_every_target_the_loss_of_its_own_prefix(run: Run, text: Words) -> None:
    result = run("prefix", targets=8, text="code")
    assert result["difference"] < 1e-4
    assert list(result["loss"]) == [str(context) for context in CONTEXTS] and result["targets"] == 8
    assert len(Prefix().show(result, text).rows) == len(CONTEXTS)
