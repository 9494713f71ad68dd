"""The static cache: writing in pieces, cropping, rows apart and alone, and nothing lost when it is full."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from minimind_core.model.kv_cache import EMPTY, StaticCache
from tests.minimind_core.checkpoint_samples import TINY, random_ids, random_model
from tests.minimind_core.llama_twins import difference


def pair(batch_size: int, length: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Keys and values of one layer, [B, num_kv_heads, T, head_dim]."""
    generator = torch.Generator().manual_seed(seed)
    keys, values = torch.randn(2, batch_size, TINY.num_kv_heads, length, TINY.head_dim, generator=generator)
    return keys, values


def append(cache: StaticCache, start: int, keys: Tensor, values: Tensor) -> None:
    slots = torch.arange(start, start + keys.shape[2])
    cache.mark(slots, slots)
    for layer in range(TINY.num_layers):
        cache.write(layer, slots, keys, values)


def same(left: StaticCache, right: StaticCache) -> bool:
    """Equal in all that is visible."""
    visible = left.positions != EMPTY  # [B, S]
    shown = visible[:, None, :, None]  # [B, 1, S, 1]
    pairs = zip([*left.keys, *left.values], [*right.keys, *right.values], strict=True)
    return torch.equal(left.positions, right.positions) and all(
        torch.equal(one * shown, other * shown) for one, other in pairs
    )


def test_token_by_token_equals_at_once() -> None:
    keys, values = pair(2, 10)
    at_once, stepwise = StaticCache(TINY, 2, 16), StaticCache(TINY, 2, 16)
    append(at_once, 0, keys, values)
    for step in range(10):
        append(stepwise, step, keys[:, :, step : step + 1], values[:, :, step : step + 1])
    assert same(at_once, stepwise)
    assert torch.equal(at_once.keys[1][:, :, :10], keys) and torch.equal(at_once.values[0][:, :, :10], values)
    assert at_once.positions.tolist() == [[*range(10), *[EMPTY] * 6]] * 2


@pytest.mark.parametrize("per_row", [False, True])
def test_beyond_the_capacity_nothing_is_overwritten(per_row: bool) -> None:
    cache = StaticCache(TINY, 2, 8)
    append(cache, 0, *pair(2, 8))
    before = [t.clone() for t in (*cache.keys, *cache.values, cache.positions)]
    slots = torch.tensor([8]).expand(2, 1) if per_row else torch.tensor([8])
    with pytest.raises((IndexError, RuntimeError)):
        cache.mark(slots, slots)
    with pytest.raises((IndexError, RuntimeError)):
        cache.write(0, slots, *pair(2, 1, seed=1))
    assert all(map(torch.equal, before, [*cache.keys, *cache.values, cache.positions]))


def test_crop_then_append_equals_never_having_appended() -> None:
    cache, straight = StaticCache(TINY, 2, 16), StaticCache(TINY, 2, 16)
    first, rejected, second = pair(2, 6), pair(2, 4, seed=1), pair(2, 3, seed=2)
    append(cache, 0, *first)
    append(cache, 6, *rejected)
    cache.crop(6)
    assert cache.positions.tolist() == [[*range(6), *[EMPTY] * 10]] * 2
    append(cache, 6, *second)
    append(straight, 0, *first)
    append(straight, 6, *second)
    assert same(cache, straight)


def test_a_cropped_model_goes_on_as_if_nothing_had_been() -> None:
    """What speculative decoding needs: a rejected draft leaves no trace in the logits."""
    model, ids, draft = random_model(), random_ids(length=12), random_ids(length=40)[:, 20:25]
    cache = StaticCache(TINY, 2, 32)
    with torch.no_grad():
        model(ids[:, :8], torch.arange(8), cache=cache)
        model(draft, torch.arange(8, 13), cache=cache)
        cache.crop(8)
        rest = model(ids[:, 8:], torch.arange(8, 12), cache=cache)
        assert difference(rest, model(ids)[:, 8:]) < 1e-4


def test_reset_forgets_all() -> None:
    model, cache = random_model(), StaticCache(TINY, 2, 32)
    with torch.no_grad():
        model(random_ids(length=20), torch.arange(20), cache=cache)
        cache.reset()
        ids = random_ids(length=30)[:, 20:]
        assert difference(model(ids, torch.arange(10), cache=cache), model(ids)) < 1e-4


def test_rows_stay_apart() -> None:
    both = StaticCache(TINY, 2, 8)
    keys, values = pair(2, 4)
    slots = torch.tensor([[0, 1, 2, 3], [4, 2, 7, 0]])
    both.mark(slots, torch.arange(4))
    both.write(0, slots, keys, values)
    for row in range(2):
        assert torch.equal(both.keys[0][row][:, slots[row]], keys[row])
        assert torch.equal(both.values[0][row][:, slots[row]], values[row])
    assert both.positions.tolist() == [[0, 1, 2, 3, -1, -1, -1, -1], [3, -1, 1, -1, 0, -1, -1, 2]]
    assert (both.keys[1] == 0).all()  # the other layer


@pytest.mark.parametrize("per_row", [False, True])
def test_another_dtype_is_refused(per_row: bool) -> None:
    cache = StaticCache(TINY, 2, 8)
    slots = torch.arange(3).expand(2, 3) if per_row else torch.arange(3)
    keys, values = pair(2, 3)
    with pytest.raises(RuntimeError):
        cache.write(0, slots, keys.half(), values.half())
    assert all((keys == 0).all() for keys in cache.keys)


def test_bytes_are_those_of_the_formula() -> None:
    for dtype, size in ((torch.float32, 4), (torch.float16, 2)):
        cache = StaticCache(TINY, 3, 20, dtype=dtype)
        a_token = 2 * TINY.num_layers * TINY.num_kv_heads * TINY.head_dim * size
        assert cache.nbytes == a_token * 3 * 20 and cache.capacity == 20


def test_keys_do_not_depend_on_later_tokens() -> None:
    model, ids = random_model().use_attention("eager"), random_ids(batch_size=1, length=16)
    edited = ids.clone()
    edited[0, 9] += 1
    caches = [StaticCache(TINY, 1, 16), StaticCache(TINY, 1, 16)]
    with torch.no_grad():
        for row, cache in zip((ids, edited), caches, strict=True):
            model(row, cache=cache)
    layers = zip(caches[0].keys, caches[1].keys, strict=True)
    change = torch.stack([one - other for one, other in layers]).abs().amax((0, 1, 2, 4))  # [S]
    assert (change[:9] == 0).all() and (change[9:] > 0).all()


def test_keys_are_cached_after_rope_and_before_sharing() -> None:
    model, cache = random_model(), StaticCache(TINY, 1, 8)
    ids = random_ids(batch_size=1, length=5)
    with torch.no_grad():
        model(ids, cache=cache)
        layer = model.model.layers[0]
        projected = layer.self_attn.k_proj(layer.input_layernorm(model.model.embed_tokens(ids)))
    projected = projected.view(1, 5, TINY.num_kv_heads, TINY.head_dim).transpose(1, 2)
    stored = cache.keys[0][:, :, :5]
    assert torch.equal(stored[:, :, 0], projected[:, :, 0])  # position 0 is not turned
    assert not torch.allclose(stored[:, :, 4], projected[:, :, 4])
    assert torch.allclose(stored.norm(dim=-1), projected.norm(dim=-1), rtol=1e-5)


def test_single_rows_are_forgotten_apart() -> None:
    cache = StaticCache(TINY, 3, 4)
    append(cache, 0, *pair(3, 4))
    cache.reset([0, 2])
    assert cache.positions.tolist() == [[EMPTY] * 4, [0, 1, 2, 3], [EMPTY] * 4]


def test_a_part_is_the_same_memory() -> None:
    cache, (keys, values) = StaticCache(TINY, 3, 8), pair(1, 3)
    part = cache.part(1, 2)
    append(part, 2, keys, values)
    assert cache.positions.tolist() == [[EMPTY] * 8, [EMPTY] * 2 + [2, 3, 4] + [EMPTY] * 3, [EMPTY] * 8]
    assert torch.equal(cache.keys[1][1, :, 2:5], keys[0]) and torch.equal(
        cache.values[0][1, :, 2:5], values[0]
    )
    assert (cache.keys[0][[0, 2]] == 0).all() and part.nbytes * 3 == cache.nbytes
    slots = torch.tensor([[6]])  # by row as well
    part.mark(slots, slots)
    part.write(0, slots, *pair(1, 1, seed=1))
    assert cache.positions[1, 6] == 6 and torch.equal(cache.keys[0][1, :, 6:7], pair(1, 1, seed=1)[0][0])


def test_a_write_gives_all_that_may_be_attended_to() -> None:
    cache = StaticCache(TINY, 2, 8)
    keys, values = cache.write(1, torch.arange(3), *pair(2, 3))
    assert keys is cache.keys[1] and values is cache.values[1]
