"""What part of the work attention is: the claim's percentages, and pairs counted one by one."""

from __future__ import annotations

import numpy as np
import pytest

from labs.contract import Words
from labs.q04_long_text.attention_share import LENGTHS, drawn, half, shares
from labs.q04_long_text.claims import QUESTION
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import forward_flops


def test_one_pass_has_the_shares_of_the_claim_and_is_half_attention_where_it_says() -> None:
    claim = QUESTION.claim("Q4-C19").value
    full = dict(zip(LENGTHS, shares(512, 256)["full"], strict=True))
    assert 100 * full[8192] == pytest.approx(float(claim["share_long"]), abs=0.05)
    assert 100 * full[512] == pytest.approx(float(claim["share_short"]), abs=0.05)
    assert half() == claim["causal"]


@pytest.mark.parametrize(("window", "local"), [(512, 256), (48, 16), (2048, 2048)])
def test_windows_have_the_pairs_of_their_masks(window: int, local: int) -> None:
    by_way, length = shares(window, local), 1024
    places = np.arange(length)
    back = places[:, None] - places
    same = places[:, None] // window == places // window
    square = forward_flops(ModelConfig(), 1, length) - forward_flops(ModelConfig(), length, 1)
    matrices = forward_flops(ModelConfig(), length, 1) - 16_384 * length
    for way, mask in (("local", back < local), ("disjoint", same), ("full", back >= 0)):
        attention = 16_384 * ((back >= 0) & mask).sum()
        assert by_way[way][LENGTHS.index(length)] == pytest.approx(attention / (attention + matrices)), way
    assert square == 16_384 * (length**2 - length)  # the core counts a pair as this test does


def test_the_figure_stays_in_place_while_the_length_moves(text: Words) -> None:
    one, other = (drawn(shares(512, 256), length, text) for length in (512, 8192))
    assert one.layout["xaxis"] == other.layout["xaxis"] and one.layout["yaxis"] == other.layout["yaxis"]
    assert any("6,303" in str(trace.get("name")) for trace in one.data)
