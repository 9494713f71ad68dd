"""Rows, pairs and masks against a list comprehension that knows nothing of them."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.q01_loss_mask.rows import Framing, Rule, count_targets, make_rows, mask_of, mean_loss

PAD, BOS, EOS = 0, 1, 2
TEXTS = st.lists(st.lists(st.integers(0, 9), max_size=9), min_size=1, max_size=5)


@given(TEXTS, st.integers(3, 12), st.booleans())
def test_padded_on_the_right_a_row_of_n_ids_has_n_minus_one_targets(
    texts: list[list[int]], length: int, specials: bool
) -> None:
    framing = Framing(length, PAD, BOS if specials else None, EOS if specials else None)
    rows = make_rows(texts, framing)
    sizes = [min(len(ids) + 2 * specials, length) for ids in texts]
    assert rows.real.sum(1).tolist() == sizes
    with_y, with_x = (int(mask_of(rule, rows, PAD).sum()) for rule in ("y", "x"))
    assert with_y == count_targets(sizes) == sum(max(0, size - 1) for size in sizes)
    assert with_x - with_y == sum(0 < size < length for size in sizes)
    assert rows.cut == [len(ids) + 2 * specials > length for ids in texts]


def test_a_row_reads_as_the_text_between_bos_and_eos() -> None:
    rows = make_rows([[7, 8], [7, 8, 9, 6]], Framing(5, PAD, BOS, EOS))
    assert rows.ids.tolist() == [[BOS, 7, 8, EOS, PAD], [BOS, 7, 8, 9, 6]]
    kept = make_rows([[7, 8, 9, 6]], Framing(5, PAD, BOS, EOS, eos_when_cut=True))
    assert kept.ids.tolist() == [[BOS, 7, 8, 9, EOS]] and kept.cut == [True]
    left = make_rows([[7, 8]], Framing(5, PAD, BOS, EOS, side="left"))
    assert left.ids.tolist() == [[PAD, BOS, 7, 8, EOS]]
    assert mask_of("y", left, PAD).tolist() == [[True] * 4]  # BOS after PAD counts as a target


def test_a_mask_by_id_loses_the_end_where_pad_is_eos_and_a_real_token_of_that_id() -> None:
    rows = make_rows([[7, 8, 9]], Framing(8, EOS, BOS, EOS))
    assert mask_of("y", rows, EOS).sum() == 4 and mask_of("by_id", rows, EOS).sum() == 3
    inside = make_rows([[7, PAD, 8]], Framing(5, PAD))
    assert mask_of("y", inside, PAD).sum() == 2 and mask_of("by_id", inside, PAD).sum() == 1


@given(st.lists(st.floats(0, 20, width=32), min_size=8, max_size=8), st.integers(1, 7))
def test_the_unmasked_loss_is_the_mean_of_its_parts_by_their_share(losses: list[float], real: int) -> None:
    values = np.array(losses, np.float32).reshape(1, -1)
    mask = np.arange(8)[None] < real
    parts = [mean_loss(values, part, "token") for part in (mask, ~mask)]
    whole = mean_loss(values, np.ones_like(mask), "token")
    assert None not in parts
    assert whole == pytest.approx((real * parts[0] + (8 - real) * parts[1]) / 8, abs=1e-5)  # type: ignore[operator]


def test_tokens_and_samples_are_averaged_apart() -> None:
    losses = np.array([[2.0] * 100, [6.0] * 100], np.float32)
    mask = np.array([[True] * 100, [True] * 10 + [False] * 90])
    assert mean_loss(losses, mask, "token") == pytest.approx(260 / 110)
    assert mean_loss(losses, mask, "sample") == pytest.approx(4.0)
    assert mean_loss(losses, np.zeros_like(mask), "token") is None
    assert len(get_args(Rule)) == 6
