"""One forward for everything: equal to transformers, to itself by other paths, and strictly causal."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from minimind_core.files.checkpoint import load_model
from minimind_core.files.checkpoint_config import shipped_checkpoints
from minimind_core.model.config import ModelConfig
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind
from tests.minimind_core.checkpoint_samples import TINY, random_ids, random_model
from tests.minimind_core.llama_twins import SHAPES, difference, sample, stacked, twin, twin_logits

TOLERANCE = 1e-4
"""Largest difference of logits (whose spread is about 5) between two right implementations in fp32."""
POSITIONS = ("rope", "learned", "sinusoidal", "alibi", "none")
LENGTH = 24


@pytest.fixture(params=SHAPES)
def model(request: pytest.FixtureRequest) -> MiniMind:
    return sample(request.param)


@pytest.fixture(params=POSITIONS)
def any_position(request: pytest.FixtureRequest) -> MiniMind:
    return random_model(TINY.replace(position=request.param, max_length=128))


@torch.no_grad()
def stepwise(model: MiniMind, ids: Tensor, chunks: list[int], capacity: int) -> Tensor:
    """Logits of ids [B, T] read through the cache in chunks of these sizes."""
    cache = StaticCache(model.config, ids.shape[0], capacity)
    pieces, start = [], 0
    for size in chunks:
        positions = torch.arange(start, start + size)
        pieces.append(model(ids[:, start : start + size], positions, cache=cache))
        start += size
    return torch.cat(pieces, dim=1)


def test_prefill_equals_transformers(model: MiniMind) -> None:
    ids = random_ids(length=64)  # beyond the trained length of 32, where YaRN differs most
    with torch.no_grad():
        ours = model(ids)
    assert ours.std() > 0.5  # so that the tolerance means something
    assert difference(ours, twin_logits(model, ids)) < TOLERANCE


def test_cached_decode_equals_transformers(model: MiniMind) -> None:
    ids = random_ids(length=LENGTH)
    for chunks in ([8] + [1] * 16, [5, 1, 7, 11]):
        assert difference(stepwise(model, ids, chunks, capacity=40), twin_logits(model, ids)) < TOLERANCE


@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_batches_equal_transformers(model: MiniMind, side: str) -> None:
    ids, lengths = random_ids(batch_size=3, length=LENGTH), torch.tensor([[LENGTH], [9], [1]])
    columns = torch.arange(LENGTH)
    if side == "left":
        real = columns >= LENGTH - lengths  # [B, T]
        positions = torch.where(real, columns - (LENGTH - lengths), -1)
    else:
        real = columns < lengths
        positions = torch.where(real, columns, -1)
    with torch.no_grad():
        ours = model(ids, positions)
    theirs = twin_logits(model, ids, attention_mask=real.long(), position_ids=positions.clamp(min=0))
    assert difference(ours[real], theirs[real]) < TOLERANCE
    assert ours.isfinite().all()


def test_parameters_carry_transformers_names(model: MiniMind) -> None:
    theirs = {name for name, _ in twin(model).named_parameters()}
    assert set(stacked(model)) == theirs
    assert set(model.state_dict()) == {name for name, _ in model.named_parameters()}


def test_eager_attention_equals_fused(any_position: MiniMind) -> None:
    ids, windowed = random_ids(length=LENGTH), (torch.arange(LENGTH) % 3 > 0).expand(LENGTH, -1).clone()
    windowed.fill_diagonal_(True)
    padded = torch.where(torch.arange(LENGTH) < 5, -1, torch.arange(LENGTH) - 5).expand(2, -1)
    for options in ({}, {"mask": windowed}, {"positions": padded}):
        with torch.no_grad():
            fused = any_position.use_attention("sdpa")(ids, **options)
            eager = any_position.use_attention("eager")(ids, **options)
        assert difference(fused, eager) < TOLERANCE


def test_a_later_token_changes_nothing_before_it(any_position: MiniMind) -> None:
    ids = random_ids(batch_size=1, length=12)
    edited = ids.clone()
    edited[0, 7] = (ids[0, 7] + 1) % TINY.vocab_size
    any_position.use_attention("eager")
    with torch.no_grad():
        change = (any_position(ids) - any_position(edited))[0].abs().amax(-1)  # [T]
    assert (change[:7] == 0).all() and (change[7:] > 0).all()


def test_cached_steps_equal_one_forward(any_position: MiniMind) -> None:
    ids = random_ids(length=LENGTH)
    with torch.no_grad():
        whole = any_position(ids)
    for chunks in ([6] + [1] * 18, [10, 14]):
        assert difference(whole, stepwise(any_position, ids, chunks, capacity=64)) < TOLERANCE


def test_the_slot_of_a_token_does_not_matter(any_position: MiniMind) -> None:
    ids, slots = random_ids(length=LENGTH), torch.randperm(64)[:LENGTH]
    cache = StaticCache(any_position.config, 2, 64)
    with torch.no_grad():
        first = any_position(ids[:, :16], torch.arange(16), slots[:16], cache=cache)
        rest = any_position(ids[:, 16:], torch.arange(16, LENGTH), slots[16:], cache=cache)
        assert difference(torch.cat((first, rest), 1), any_position(ids)) < TOLERANCE


def test_rows_of_a_batch_may_stand_at_different_positions(any_position: MiniMind) -> None:
    """What a batch of requests of unequal lengths needs: each row has its own newest position."""
    ids, lengths = random_ids(length=LENGTH), torch.tensor([[20], [11]])
    cache = StaticCache(any_position.config, 2, 32)
    columns = torch.arange(20)
    with torch.no_grad():
        any_position(ids[:, :20], torch.where(columns < lengths, columns, -1), columns, cache=cache)
        newest = ids.gather(1, lengths)
        step = any_position(newest, lengths, cache=cache)
        for row in range(2):
            alone = any_position(ids[row : row + 1, : int(lengths[row]) + 1])
            assert difference(step[row, 0], alone[0, -1]) < TOLERANCE


def test_documents_of_one_row_equal_documents_alone(any_position: MiniMind) -> None:
    first, second = random_ids(batch_size=1, length=10), random_ids(batch_size=1, length=25)[:, 10:]
    document = torch.tensor([0] * 10 + [1] * 15)
    positions = torch.cat((torch.arange(10), torch.arange(15)))[None]
    with torch.no_grad():
        packed = any_position(torch.cat((first, second), 1), positions, mask=document[:, None] == document)
        alone = torch.cat((any_position(first), any_position(second)), 1)
    assert difference(packed, alone) < TOLERANCE


def test_a_window_hides_what_is_further_away() -> None:
    """Through L layers a window of w reaches L (w - 1) tokens back, and not one more."""
    model, window = random_model().use_attention("eager"), 4
    reach = TINY.num_layers * (window - 1)
    ids = random_ids(batch_size=1, length=LENGTH)
    near = torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(-(window - 1))
    edited = ids.clone()
    edited[0, 5] += 1
    with torch.no_grad():
        change = (model(ids, mask=near) - model(edited, mask=near))[0].abs().amax(-1)
    assert (change[5 : 5 + reach + 1] > 0).all() and (change[5 + reach + 1 :] == 0).all()


def test_a_window_in_one_layer_equals_the_last_tokens_alone() -> None:
    model, window = random_model(TINY.replace(num_layers=1)), 6
    ids = random_ids(batch_size=1, length=LENGTH)
    near = torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(-(window - 1))
    with torch.no_grad():
        windowed = model(ids, mask=near)[0, -1]
        alone = model(ids[:, -window:], torch.arange(LENGTH - window, LENGTH))[0, -1]
    assert difference(windowed, alone) < TOLERANCE


@pytest.mark.parametrize("kind", ["sdpa", "eager"])
def test_a_mask_that_hides_padding_itself_leaves_no_nan(kind: str) -> None:
    """A row without any key would be NaN, and NaN reaches real tokens even through a weight of zero."""
    model = random_model().use_attention("eager" if kind == "eager" else "sdpa")
    ids, real = random_ids(length=8), torch.tensor([[False] * 3 + [True] * 5, [True] * 8])
    positions = torch.where(real, real.cumsum(-1) - 1, -1)
    with torch.no_grad():
        masked = model(ids, positions, mask=real[:, :, None] & real[:, None, :])
        assert masked.isfinite().all()
        assert difference(masked[real], model(ids, positions)[real]) < TOLERANCE


@pytest.mark.parametrize("position", ["rope", "alibi", "none"])
def test_a_shift_of_all_positions_changes_nothing(position: str) -> None:
    model = random_model(TINY.replace(position=position))
    ids, positions = random_ids(length=LENGTH), torch.arange(LENGTH)
    with torch.no_grad():
        assert difference(model(ids), model(ids, positions + 100)) < 1e-3  # fp32 angles lose bits with m


@pytest.mark.parametrize("position", ["learned", "sinusoidal"])
def test_an_absolute_position_is_felt(position: str) -> None:
    model = random_model(TINY.replace(position=position, max_length=128))
    ids, positions = random_ids(length=LENGTH), torch.arange(LENGTH)
    with torch.no_grad():
        assert difference(model(ids), model(ids, positions + 100)) > 1e-2


def test_bfloat16_keeps_rope_in_full_precision() -> None:
    model = random_model()
    before = model.model.rotary.inv_freq.clone()
    ids = random_ids(length=64)
    with torch.no_grad():
        exact = model(ids)
        rough = model.to(torch.bfloat16)(ids)
    assert rough.dtype == torch.bfloat16 and model.model.rotary.inv_freq.dtype == torch.float32
    assert torch.equal(model.model.rotary.inv_freq, before)
    assert (rough.float() - exact).pow(2).mean().sqrt() < 0.05 * exact.std()


def test_a_fresh_model_knows_nothing_yet() -> None:
    torch.manual_seed(0)
    config = ModelConfig(num_layers=2)
    with torch.no_grad():
        logits = MiniMind(config)(torch.randint(6400, (2, 32)))
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.randint(6400, (64,)))
    assert abs(float(loss) - 8.8665) < 0.1  # ln 6400 + 512 * 0.02^2 / 2


@pytest.mark.skipif("minimind-26m" not in shipped_checkpoints(), reason="minimind-26m is not in weights/")
def test_the_shipped_model_equals_transformers() -> None:
    loaded = load_model("minimind-26m")
    model, text = loaded.model, "机器学习很有趣, and the weather is fine today. "
    ids = torch.tensor([loaded.tokenizer.encode(text * 3)[:40]])
    theirs = twin_logits(model, ids)
    with torch.no_grad():
        assert difference(model(ids), theirs) < TOLERANCE
        assert difference(stepwise(model, ids, [30] + [1] * 10, capacity=64), theirs) < TOLERANCE
        padded = torch.cat((torch.zeros(1, 5, dtype=torch.int64), ids[:, :-5]), 1)
        both, real = torch.cat((ids, padded)), torch.tensor([[1] * 40, [0] * 5 + [1] * 35]).bool()
        positions = torch.where(real, real.cumsum(-1) - 1, -1)
        batch = twin_logits(model, both, attention_mask=real.long(), position_ids=positions.clamp(min=0))
        assert difference(model(both, positions)[real], batch[real]) < TOLERANCE
