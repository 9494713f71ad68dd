"""Sparse masks: the formulas against counting, FlexAttention against the mask written out, and a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q04_long_text import readings, sparse, sparse_masks
from labs.q04_long_text.patterns import PATTERNS, Pattern, reach
from labs.q04_long_text.sparse import Sparse, SparseParams
from labs.tools.models import untrained
from labs.tools.token_losses import token_losses
from minimind_core.model.config import PRESETS
from tests.labs.one_lab import shown

HEADS = 4
ANY = st.builds(Pattern, st.sampled_from(PATTERNS), st.integers(1, 40), st.integers(1, 6), st.integers(1, 50))


def nothing() -> None:
    """Nobody cancels."""


@settings(deadline=None, max_examples=40)
@given(ANY, st.integers(1, 150), st.integers(1, 4))
def test_pairs_and_reach_are_those_of_the_mask(pattern: Pattern, length: int, layers: int) -> None:
    visible = sparse_masks.mask(pattern, length, HEADS, "cpu")
    assert visible.shape[-2:] == (length, length) and bool(visible.diagonal(dim1=-2, dim2=-1).all())
    assert not visible.triu(1).any(), "the future is seen"
    assert int(visible.sum()) // visible.shape[1] == pattern.pairs(length)
    later = sparse_masks.mask(pattern, length, HEADS, "cpu", length // 2)
    assert torch.equal(later, visible[:, :, length // 2 :])
    expected = reach(pattern, layers, length)
    heard = sparse_masks.heard(visible, layers)
    assert heard == expected if expected is not None else 1 <= heard <= length


@pytest.mark.parametrize("name", PATTERNS)
def test_blocks_are_those_in_which_anything_is_looked_at(name: str) -> None:
    pattern, length = Pattern(name, 20, 3, 200), 400
    visible = sparse_masks.mask(pattern, 512, 2, "cpu")[0]  # [1 or 2, 512, 512], four blocks of 128
    visible[:, length:], visible[:, :, length:] = False, False
    blocks = visible.view(-1, 4, 128, 4, 128).any(4).any(2)
    assert sparse_masks.block_share(pattern, length, nothing) == int(blocks.sum()) / (10 * len(blocks))


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_is_the_mask_written_out() -> None:
    from torch.nn.attention.flex_attention import flex_attention

    random = torch.Generator().manual_seed(0)
    queries, keys, values = (torch.randn(1, heads, 150, 16, generator=random) for heads in (4, 2, 2))
    for name in ("global", "mixed"):
        pattern = Pattern(name, 16, 3, 50)
        written = F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=sparse_masks.mask(pattern, 150, 4, "cpu"), enable_gqa=True
        )
        own = sparse_masks.flex(pattern, queries, keys, values, flex_attention)()
        assert torch.allclose(own, written, atol=1e-5), name


def test_a_window_is_the_window_of_the_readings() -> None:
    model = untrained(PRESETS["byte-128"], "cpu").eval()
    row = torch.randint(3, 259, (101,), generator=torch.Generator().manual_seed(1))
    visible = sparse_masks.mask(Pattern("local", 9, 4, 64), 100, model.config.num_heads, "cpu")
    own = token_losses(model, row[None], nothing, mask=visible)[0]
    assert np.allclose(own, readings.local(model, row, 9, 0, nothing), atol=1e-5)
    by_head = sparse_masks.mask(Pattern("mixed", 9, 1, 64), 100, model.config.num_heads, "cpu")
    assert np.allclose(token_losses(model, row[None], nothing, mask=by_head)[0], own, atol=1e-5)


@pytest.fixture(scope="module")
def read(result: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "LENGTH", 512)
        return result("sparse", window=16)


def test_a_run_reads_every_mask_and_says_that_no_kernel_ran(read: dict[str, Any]) -> None:
    assert list(read["patterns"]) == list(PATTERNS)
    layers, dilated = read["layers"], read["patterns"]["dilated"]
    assert dilated["heard"] == dilated["reach"] == layers * 15 + 1 < read["stretch"] == layers * 60 + 1
    assert read["patterns"]["mixed"]["heard"] > dilated["heard"]
    assert read["patterns"]["stride"]["block_share"] == 1
    said = shown("q04/sparse", read)
    assert said.sentence is not None and said.sentence["measured"] == dilated["heard"]
    assert list(said.figures) == ["loss", "mask", "blocks"]
    assert any("timed on a CUDA device only" in note for note in said.notes)


def test_times_of_kernels_are_drawn_beside_the_fused_one(read: dict[str, Any]) -> None:
    row = {"median": 0.5, "low": 0.4, "high": 0.6}
    times = {"fused": {"median": 1.0, "low": 0.9, "high": 1.1}, "local": row, "dilated": row, "global": row}
    said = shown("q04/sparse", {**read, "kernels": {"milliseconds": times, "difference": 1e-3}})
    marks = next(one for one in said.figures["blocks"].data if one["meta"]["role"] == "measured")
    assert marks["y"] == [50.0] * 3 and marks["error_y"]["array"] == pytest.approx([10.0] * 3)
    assert not any("timed on a CUDA device only" in note for note in said.notes)


def test_the_first_patterns_can_be_drawn_while_the_others_are_read(read: dict[str, Any]) -> None:
    first = {**read, "patterns": {"full": read["patterns"]["full"]}}
    assert shown("q04/sparse", first).sentence is None


@pytest.mark.parametrize("name", PATTERNS)
def test_the_picture_is_the_mask(name: str, read: dict[str, Any]) -> None:
    params = SparseParams(picture=name, window=8, spacing=24)
    drawn = Sparse().view(params, read)["looks"]  # type: ignore[arg-type]
    visible = sparse_masks.mask(params.pattern(name), sparse.PICTURE, 2, "cpu")[0, -1].numpy()
    below = np.tril_indices(sparse.PICTURE)
    assert np.array_equal(drawn[below], visible[below].astype(np.float32))
    assert np.isnan(drawn[np.triu_indices(sparse.PICTURE, 1)]).all()
