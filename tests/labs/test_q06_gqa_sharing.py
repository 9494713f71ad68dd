"""The mathematics of sharing heads: orders, equal results, whole models made equal, pooling."""

from __future__ import annotations

import pytest
import torch

from labs.q06_gqa.claims_core import repeat_kv as written_out
from labs.q06_gqa.converting import duplicated, pool_heads, pooled
from labs.q06_gqa.decoding import untrained
from labs.q06_gqa.sharing import (
    SHARED_WAYS,
    attend_repeated,
    attend_tiled,
    created_bytes,
    decode_inputs,
    largest_differences,
    repeat_kv,
    sentinel_reads,
    tile_kv,
)
from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import MiniMind

SMALL = ModelConfig(
    vocab_size=40, hidden_size=32, num_layers=2, num_heads=8, num_kv_heads=2, head_dim=8, intermediate_size=32
)


def inputs(kv_heads: int, tokens: int = 96, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return decode_inputs(kv_heads, 2, tokens, seed=seed, device="cpu", dtype=torch.float32)


def small_model(kv_heads: int) -> MiniMind:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return MiniMind(SMALL.replace(num_kv_heads=kv_heads)).eval()


@pytest.mark.parametrize("n_rep", [1, 2, 4, 8])
@pytest.mark.parametrize("axis", [1, 2])
def test_repeat_kv_is_repeat_interleave_bit_for_bit(n_rep: int, axis: int) -> None:
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(repeat_kv(x, n_rep, axis), x.repeat_interleave(n_rep, dim=axis))
    assert torch.equal(repeat_kv(x, n_rep), written_out(x, n_rep))
    assert (repeat_kv(x, n_rep, axis) is x) is (n_rep == 1)


def test_expanded_head_h_is_head_h_over_n_rep() -> None:
    x = torch.randn(2, 5, 2, 64)
    expanded = repeat_kv(x, 4)
    assert expanded.shape == (2, 5, 8, 64)
    for head in range(8):
        assert torch.equal(expanded[:, :, head], x[:, :, head // 4])
    tiled = tile_kv(x.transpose(1, 2), 4)
    for head in range(8):
        assert torch.equal(tiled[:, head], x[:, :, head % 2])


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


def test_untrained_variants_share_their_weights_and_count_as_the_formula_says() -> None:
    models = untrained((8, 4, 2, 1), "cpu", torch.float32)
    assert len({model.model.embed_tokens.weight.data_ptr() for model in models}) == 1
    for kv_heads, model in zip((8, 4, 2, 1), models, strict=True):
        counted = sum(parameter.numel() for parameter in model.parameters())
        assert counted == 25_829_888 + (kv_heads - 2) * 524_288
        assert model.config.num_kv_heads == kv_heads
    ids = torch.tensor([[1, 2, 3]])
    assert torch.isfinite(models[2](ids)).all()
