"""A cache in few bits: exact arithmetic of the quantiser, where it acts, and the formula of its bytes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labs.q08_speedup import kv_rounding
from labs.q08_speedup.kv_quant import BITS, WAYS, KvQuant, sides_of
from labs.q08_speedup.kv_rounding import Axis
from labs.tools.models import TINY
from tests.labs.one_lab import OneLab, Show
from tests.labs.q08_speedup.conftest import lively


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return OneLab("q08", "nano-rope").result("kv_quant", windows=1, group=32, context=128)


def some(seed: int = 0) -> Tensor:
    """Keys of two rows, three heads, 16 tokens and 8 channels."""
    return torch.randn(2, 3, 16, 8, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(BITS), st.integers(-8, 8), st.sampled_from([0.25, 0.5, 2.0]), st.data())
def test_levels_come_back_exactly(bits: int, lowest: int, step: float, data: st.DataObject) -> None:
    """Numbers that lie on levels are kept bit by bit, in the codes that integer arithmetic gives."""
    top = 2**bits - 1
    codes = data.draw(st.lists(st.integers(0, top), min_size=8, max_size=8))
    codes[0], codes[-1] = 0, top  # so that the group spans all levels
    group = torch.tensor([[lowest + code * step for code in codes]])
    packed = kv_rounding.pack(group, bits)
    assert torch.equal(kv_rounding.unpack(packed, bits), group)
    each = 8 // bits
    together = [
        sum(code << (bits * place) for place, code in enumerate(codes[start : start + each]))
        for start in range(0, 8, each)
    ]
    assert packed.codes.tolist() == [together]
    assert (float(packed.step), float(packed.lowest)) == (step, float(lowest))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(BITS), st.integers(0, 999))
def test_every_number_goes_to_its_nearest_level(bits: int, seed: int) -> None:
    """Against rational arithmetic over the stored scale and lowest value."""
    group = torch.randn(1, 8, generator=torch.Generator().manual_seed(seed)) * 3
    packed = kv_rounding.pack(group, bits)
    step, lowest = Fraction(float(packed.step)), Fraction(float(packed.lowest))
    levels = [lowest + step * code for code in range(2**bits)]
    for number, back in zip(group[0].tolist(), kv_rounding.unpack(packed, bits)[0].tolist(), strict=True):
        nearest = min(abs(Fraction(number) - level) for level in levels)
        assert abs(Fraction(number) - Fraction(back)) <= nearest + Fraction(1, 10**5)


def test_a_constant_group_is_kept() -> None:
    group = torch.full((2, 8), 1.5)
    assert torch.equal(kv_rounding.unpack(kv_rounding.pack(group, 2), 2), group)


@pytest.mark.parametrize("axis", ["token", "channel"])
def test_groups_lie_along_their_axis(axis: Axis) -> None:
    x = some()
    groups = kv_rounding.grouped(x, axis, 4)
    first = x[0, 0, 0, :4] if axis == "token" else x[0, 0, :4, 0]
    assert torch.equal(groups[0], first)
    assert torch.equal(kv_rounding.ungrouped(groups, x, axis), x)


def test_an_outlying_channel_ruins_tokens_and_not_channels() -> None:
    """Why keys are rounded along channels: their large channels are the same at every token."""
    x = some()
    x[..., 3] *= 50
    others = [channel for channel in range(8) if channel != 3]
    by_token, by_channel = (kv_rounding.rounding(4, axis, 8)(x) for axis in ("token", "channel"))
    moved = [float((back - x)[..., others].abs().max()) for back in (by_token, by_channel)]
    assert moved[0] > 5 * moved[1]


def rows() -> Tensor:
    return torch.randint(0, 300, (2, 16), generator=torch.Generator().manual_seed(0))


def read(**given: Any) -> list[Tensor]:
    return kv_rounding.read(lively(seed=1), rows(), lambda _share: None, **given)


def test_without_rounding_it_is_the_plain_model() -> None:
    with torch.inference_mode():
        plain = F.log_softmax(lively(seed=1)(rows()), -1)
    for mine, theirs in zip(read(), plain, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_keys_and_values_are_rounded_apart_and_keys_on_either_side_of_rope() -> None:
    plain, zero = read(), torch.zeros_like
    without_keys = read(keys=zero)
    assert not torch.allclose(without_keys[0], plain[0]) and torch.equal(without_keys[0][0], plain[0][0])
    for side in ({"keys": zero, "before_rope": True}, {"keys": zero}):
        assert torch.allclose(read(**side)[1], without_keys[1])  # nothing rotated is nothing
    assert not torch.allclose(read(values=zero)[0][0], plain[0][0])
    shapes: list[tuple[int, ...]] = []

    def note(x: Tensor) -> Tensor:
        shapes.append(tuple(x.shape))
        return x

    for before in (True, False):
        torch.testing.assert_close(read(keys=note, before_rope=before), plain)
    assert set(shapes) == {(1, TINY.num_kv_heads, 16, TINY.head_dim)} and len(shapes) == 8
    rounded = kv_rounding.rounding(2, "channel", 16)
    one, other = (read(keys=rounded, before_rope=before)[0] for before in (True, False))
    assert not torch.allclose(one, other)


def test_the_formula_of_bytes_is_that_of_packed_tensors(result: dict[str, Any], show: Show) -> None:
    config = {"layers": 5, "heads": 2, "width": 32}  # nano-rope
    numbers = 2 * config["layers"] * config["heads"] * config["width"] * 128
    assert result["cache_bytes"]["16"] == 2 * numbers
    for bits in BITS:
        assert result["cache_bytes"][str(bits)] == numbers * bits / 8 + 4 * numbers / 32
    assert result["smaller"] == pytest.approx(result["expected_smaller"]) == pytest.approx(16 / 5)
    sentence = show("kv_quant", result).sentence
    assert sentence is not None and (sentence["said"], sentence["measured"]) == (4.0, result["smaller"])


def test_fewer_bits_move_more_and_every_way_is_there(result: dict[str, Any]) -> None:
    assert list(result["ways"]) == [f"{way}_{bits}" for way in WAYS for bits in BITS]
    for way in WAYS:
        eight, four, two = (result["ways"][f"{way}_{bits}"]["divergence"] for bits in BITS)
        assert -1e-6 <= eight < four < two  # rounded sums may leave a little less than nothing
    assert sides_of("keys_token_before") == {"keys": "token"} and KvQuant.id == "q08/kv_quant"
