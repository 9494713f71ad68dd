"""Noise by counter: known SplitMix64 outputs, its distribution, and independence from the batch."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from minimind_core.decoding import request_noise
from minimind_core.decoding.request_noise import RequestNoise, exponential_noise, noise_columns, noise_key
from minimind_core.decoding.sampling import filter_logits, sample

DRAWS = 100_000


def test_mixing_equals_splitmix64() -> None:
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    states = [1234567 + n * request_noise._GAMMA for n in range(1, 6)]
    assert [request_noise._mix_int(z) for z in states] == published
    mixed = request_noise._mix(torch.tensor([request_noise._signed(z) for z in states]))
    assert [z % 2**64 for z in mixed.tolist()] == published


def test_noise_does_not_depend_on_row_batch_or_block() -> None:
    batch = RequestNoise([5, 6, 7], 50)
    drawn = torch.stack([batch.draw() for _ in range(4)], 1)  # [3, 4, 50]
    alone = RequestNoise([6], 50)
    assert torch.equal(torch.stack([alone.draw()[0] for _ in range(4)]), drawn[1])
    keys = torch.tensor([[noise_key(seed)] for seed in (5, 6, 7)])
    assert torch.equal(exponential_noise(keys, torch.arange(4), noise_columns(50)), drawn)
    assert drawn.unique().numel() == drawn.numel()


def test_a_row_can_be_handed_on_and_resumed() -> None:
    noise = RequestNoise([1, 2], 20)
    first, second = noise.draw(), noise.draw()
    noise.assign(0, seed=2, step=1)
    noise.assign(1, seed=1)
    out = torch.empty(2, 20)
    assert noise.draw(out) is out
    assert torch.equal(out[0], second[1]) and torch.equal(out[1], first[0])


def test_no_seed_is_a_fresh_seed() -> None:
    assert not torch.equal(RequestNoise([None], 20).draw(), RequestNoise([None], 20).draw())


def test_noise_is_exponential_and_never_zero_or_infinite() -> None:
    noise = exponential_noise(torch.tensor(noise_key(0)), torch.arange(4), noise_columns(250_000))
    noise = noise.flatten().double()
    assert noise.min() > 0 and noise.max() < 16.7
    assert noise.mean().item() == pytest.approx(1, abs=5e-3)
    assert noise.var().item() == pytest.approx(1, abs=2e-2)
    levels = torch.tensor([1e-4, 1e-2, 0.1, 0.5, 1.0, 2.0, 5.0], dtype=torch.float64)
    expected = -torch.expm1(-levels)
    found = (noise < levels.unsqueeze(-1)).double().mean(-1)
    assert bool(((found - expected).abs() < 4 * (expected * (1 - expected) / 1e6).sqrt()).all())


def unmixed(bits: int) -> int:
    """The state whose mixed bits are `bits`: `_mix_int` backwards."""
    for shift, factor in ((31, request_noise._MIX_2), (27, request_noise._MIX_1), (30, 1)):
        found = bits
        for _ in range(64 // shift):
            found = bits ^ (found >> shift)
        bits = found * pow(factor, -1, 2**64) % 2**64
    return bits


@pytest.mark.parametrize(("bits", "noise"), [(0, 2.0**-63), (2**63, 2.0**-63), (2**63 - 1, 24 * math.log(2))])
def test_extreme_bits_give_finite_noise(bits: int, noise: float) -> None:
    assert request_noise._mix_int(unmixed(bits)) == bits
    columns = noise_columns(1)
    key = torch.tensor(request_noise._signed(unmixed(bits) - int(columns[0])))
    assert exponential_noise(key, torch.tensor(0), columns).item() == pytest.approx(noise, rel=1e-6, abs=0)


def by_request(probabilities: Tensor) -> Tensor:
    columns = noise_columns(len(probabilities))
    noise = exponential_noise(torch.tensor(noise_key(11)), torch.arange(DRAWS), columns)
    return sample(probabilities.expand(DRAWS, -1), noise)


def by_generator(probabilities: Tensor) -> Tensor:
    return sample(probabilities.expand(DRAWS, -1), torch.Generator().manual_seed(11))


def by_seeds(probabilities: Tensor) -> Tensor:
    return sample(probabilities.expand(DRAWS, -1), RequestNoise(range(DRAWS), len(probabilities)).draw())


def by_multinomial(probabilities: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(11)
    return torch.multinomial(probabilities, DRAWS, replacement=True, generator=generator)


@pytest.mark.parametrize("draw", [by_request, by_generator, by_seeds, by_multinomial])
def test_draws_follow_the_distribution(draw) -> None:  # type: ignore[no-untyped-def]
    probabilities = filter_logits(torch.tensor([8.0, 7.0, -math.inf, 6.0, 3.0, 2.0]))
    counts = torch.bincount(draw(probabilities), minlength=6).double()
    assert counts[2] == 0, "a removed token is never drawn"
    kept = probabilities > 0
    expected = probabilities[kept].double() * DRAWS
    chi_square = ((counts[kept] - expected) ** 2 / expected).sum().item()
    assert chi_square < 18.47, "0.999 quantile at 4 degrees of freedom"


def test_filtered_draws_match_the_filtered_law() -> None:
    probabilities = filter_logits(torch.tensor([8.0, 7.0, 6.0, 3.0, 2.0]), top_p=0.9)
    counts = torch.bincount(by_request(probabilities), minlength=5)
    assert counts[2:].tolist() == [0, 0, 0]
    error = math.sqrt(0.7311 * 0.2689 / DRAWS)
    assert counts[0].item() / DRAWS == pytest.approx(0.7311, abs=4 * error)


def test_a_generator_that_gives_zero_draws_no_removed_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "exponential_", lambda self, **_: self.zero_())
    assert sample(torch.tensor([0.0, 0.0, 1.0]), torch.Generator()) == 2


def test_a_single_candidate_always_wins() -> None:
    one_hot = torch.zeros(DRAWS, 3)
    one_hot[:, 1] = 1
    assert bool((sample(one_hot, torch.Generator().manual_seed(0)) == 1).all())
    assert bool((sample(one_hot, RequestNoise(range(DRAWS), 3).draw()) == 1).all())
