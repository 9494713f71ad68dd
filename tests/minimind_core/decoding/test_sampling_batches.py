"""Batches of unlike requests: equal to their rows bit for bit, compiled as one graph, and no host sync."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from minimind_core.decoding.sampling import (
    RequestNoise,
    SamplingParams,
    apply_repetition_penalty,
    batch_settings,
    check_logits,
    filter_logits,
    next_tokens,
)


def varied(rows: int) -> list[SamplingParams]:
    choices = [
        (0.0, 0, 1.0, 0.0, 1.0),
        (0.7, 20, 0.9, 0.0, 1.1),
        (1.0, 0, 1.0, 0.0, 1.0),
        (2.0, 0, 0.95, 0.02, 1.0),
        (1.3, 5000, 0.5, 0.3, 1.5),
        (0.01, 3, 1.0, 1.0, 1.0),
    ]
    return [SamplingParams(*choices[i % len(choices)], seed=i) for i in range(rows)]


@pytest.mark.parametrize("vocab_size", [1, 7, 259, 6400])
def test_a_batch_equals_its_rows_bit_for_bit(vocab_size: int) -> None:
    logits = torch.randn(13, vocab_size, generator=torch.Generator().manual_seed(5)) * 3
    seen = torch.rand(13, vocab_size, generator=torch.Generator().manual_seed(6)) < 0.2
    params = varied(13)
    together = batch_settings(params)
    penalised = apply_repetition_penalty(logits, seen, together.pop("repetition_penalty"))
    found = filter_logits(penalised, **together)
    for i, p in enumerate(params):
        row = apply_repetition_penalty(logits[i], seen[i], p.repetition_penalty)
        assert torch.equal(found[i], filter_logits(row, p.temperature, p.top_k, p.top_p, p.min_p)), (i, p)


@pytest.mark.parametrize("name", ["top_p", "min_p", "temperature"])
def test_a_tensor_rounds_as_the_number_does(name: str) -> None:
    for value in torch.linspace(0.02, 0.98, 49, dtype=torch.float64).tolist():
        logits = torch.tensor([1.0, value, value / 3, 1 - value]).log()  # thresholds are met exactly
        settings: list[float | Tensor] = [value, torch.tensor([value], dtype=torch.float64)]
        number, tensor = (filter_logits(logits, **{name: setting}) for setting in settings)
        assert torch.equal(number, tensor), value


def test_shared_settings_stay_numbers() -> None:
    params = [SamplingParams(temperature=0.8, top_k=3), SamplingParams(temperature=0.8, top_k=4)]
    found = batch_settings(params)
    assert found["temperature"] == 0.8 and found["top_p"] == 1.0 and found["top_k"].tolist() == [[3], [4]]
    for value in batch_settings(params, as_tensors=True).values():
        assert isinstance(value, Tensor) and value.shape == (2, 1)


def test_a_request_gets_the_same_tokens_alone_and_in_a_batch() -> None:
    def decode(params: list[SamplingParams], rows: list[int], steps: int = 12) -> Tensor:
        noise = RequestNoise([p.seed for p in params], 300)
        chosen = batch_settings(params, as_tensors=True)
        generator = torch.Generator().manual_seed(8)
        seen, out = torch.zeros(len(rows), 300, dtype=torch.bool), []
        for _ in range(steps):
            logits = torch.randn(13, 300, generator=generator)[rows] * 2
            out.append(next_tokens(logits, noise.draw(), seen_mask=seen, **chosen))
            seen.scatter_(-1, out[-1].unsqueeze(-1), True)
        return torch.stack(out, -1)  # [B, steps]

    params = varied(13)
    together = decode(params, list(range(13)))
    for i in range(13):
        assert torch.equal(decode([params[i]], [i])[0], together[i])
    assert len({tuple(row) for row in together.tolist()}) == 13


class HostReads(TorchDispatchMode):
    """Collects the operators that would wait for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if any(word in str(func) for word in ("_local_scalar_dense", "item", "nonzero", "unique", "equal.")):
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


def step(logits: Tensor, noise: RequestNoise, seen: Tensor, chosen: dict[str, float | Tensor]) -> Tensor:
    ids = next_tokens(logits, noise.draw(), seen_mask=seen, **chosen)
    seen.scatter_(-1, ids.unsqueeze(-1), True)
    return ids


@pytest.mark.parametrize("as_tensors", [True, False])
def test_no_operator_waits_for_the_device(as_tensors: bool) -> None:
    params = varied(6) if as_tensors else [SamplingParams(0.8, 20, 0.9, 0.01, 1.1)] * 6
    logits, seen, chosen = torch.randn(6, 100), torch.zeros(6, 100, dtype=torch.bool), batch_settings(params)
    noise = RequestNoise(range(6), 100)
    with HostReads() as reads:
        step(logits, noise, seen, chosen)
        next_tokens(logits, temperature=0)
        next_tokens(logits, torch.Generator().manual_seed(0))
        noise.assign(3, 77)
    assert reads.found == []
    with HostReads() as reads:
        check_logits(logits)
    assert reads.found, "the mode sees a sync where there is one"


@pytest.mark.parametrize("as_tensors", [True, False])
def test_compiles_as_one_graph(as_tensors: bool) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(step, fullgraph=True, backend="eager")
    logits = torch.randn(6, 100)
    shared = [[SamplingParams(t, 20, 0.9, 0.01, 1.1)] * 6 for t in (0, 0.8, 1.2)]
    for params in (varied(6), varied(7)[1:]) if as_tensors else shared:
        chosen = batch_settings(params, as_tensors=as_tensors)
        eager, traced = (
            f(logits, RequestNoise(range(6), 100), torch.zeros(6, 100, dtype=torch.bool), chosen)
            for f in (step, compiled)
        )
        assert torch.equal(eager, traced)
