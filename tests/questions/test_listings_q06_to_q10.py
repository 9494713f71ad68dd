"""The code of the reference answers to questions 6 to 10 runs and keeps what the text promises of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.questions.listings import run

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402
from torch.nn.functional import cross_entropy  # noqa: E402

LANGUAGES = ("en", "zh")


@pytest.mark.parametrize("language", LANGUAGES)
def test_repeat_kv_puts_copies_side_by_side(language: str) -> None:
    repeat_kv = run("q06_gqa", language)["repeat_kv"]
    keys = torch.randn(2, 5, 2, 64)
    expanded = repeat_kv(keys, 4)
    assert all(torch.equal(expanded[:, :, head], keys[:, :, head // 4]) for head in range(8))
    assert torch.equal(expanded, keys.repeat_interleave(4, dim=2))
    assert expanded.untyped_storage().data_ptr() != keys.untyped_storage().data_ptr()
    assert repeat_kv(keys, 1) is keys


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_acceptance_rule_emits_the_law_of_the_target(language: str) -> None:
    accept = run("q08_speedup", language, np=np)["accept"]
    rng, runs = np.random.default_rng(0), 3000
    p = np.array([[0.5, 0.3, 0.15, 0.05]] * 3)
    q = p[:2, ::-1]
    first, lengths = np.zeros(4), []
    for _ in range(runs):
        emitted = accept(p, q, [rng.choice(4, p=row) for row in q], rng)
        first[emitted[0]] += 1
        lengths.append(len(emitted))
    assert abs(first / runs - p[0]).sum() / 2 < 0.03
    kept = np.minimum(p[0], q[0]).sum()
    assert np.mean(lengths) == pytest.approx(1 + kept + kept**2, abs=0.05)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_acceptance_rule_at_its_ends(language: str) -> None:
    accept = run("q08_speedup", language, np=np)["accept"]
    rng, alike = np.random.default_rng(0), np.full((4, 5), 0.2)
    assert len(accept(alike, alike[:3], [0, 1, 2], rng)) == 4  # all accepted, and one more
    assert len(accept(alike[:1], alike[:0], [], rng)) == 1
    apart = np.eye(5)[[0, 0]], np.eye(5)[[1]]
    assert accept(*apart, [1], rng) == [0]  # a rejected draft is replaced by what the target wants


def model_and_losses() -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(11, 8), nn.Linear(8, 11)).double()
    return model, lambda logits, y: cross_entropy(logits.transpose(1, 2), y, reduction="none")


def window_of(counts: list[int]) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Micro-batches [2, 8] with that many valid tokens each."""
    random = torch.Generator().manual_seed(1)
    parts = []
    for count in counts:
        x, y = torch.randint(0, 11, (2, 2, 8), generator=random)
        parts.append((x, y, (torch.arange(16) < count).view(2, 8)))
    return parts


class Recorded(torch.optim.SGD):
    """Keeps the gradients that it was given."""

    def step(self, closure: Any = None) -> None:
        self.seen = [weight.grad.clone() for group in self.param_groups for weight in group["params"]]


@pytest.mark.parametrize("counts", [[16, 16, 16], [16, 3, 1], [9, 0, 5]])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_window_has_the_gradient_of_one_big_batch(language: str, counts: list[int]) -> None:
    train_window = run("q09_accumulation", language, torch=torch)["train_window"]
    model, losses = model_and_losses()
    window = window_of(counts)
    optimizer, scaler = Recorded(model.parameters(), lr=0.1), torch.amp.GradScaler("cpu")
    assert train_window(model, window, optimizer, scaler, losses, max_norm=1e9) == sum(counts)
    x, y, mask = (torch.cat(part) for part in zip(*window, strict=True))
    truth = torch.autograd.grad(losses(model(x), y)[mask].mean(), list(model.parameters()))
    for seen, true in zip(optimizer.seen, truth, strict=True):
        torch.testing.assert_close(seen, true, rtol=1e-9, atol=1e-12)
    assert all(weight.grad is None for weight in model.parameters())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_window_without_a_valid_token_changes_nothing(language: str) -> None:
    train_window = run("q09_accumulation", language, torch=torch)["train_window"]
    model, losses = model_and_losses()
    before = [weight.detach().clone() for weight in model.parameters()]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    assert train_window(model, window_of([0, 0]), optimizer, torch.amp.GradScaler("cpu"), losses) == 0
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("language", LANGUAGES)
def test_one_step_of_mixed_precision(language: str, dtype: Any) -> None:
    """Two windows of four micro-batches: clipped after unscaling; an Inf is skipped and halves the scale."""
    torch.manual_seed(0)
    layer = nn.Linear(4, 1, bias=False)
    optimizer, norms, weights = torch.optim.SGD(layer.parameters(), lr=0.1), [], []

    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, batch: Tensor) -> Tensor:
            return self.layer(batch).float().mean()

    def clip(parameters: Any, max_norm: float) -> Tensor:
        norms.append(nn.utils.clip_grad_norm_(parameters, max_norm))
        weights.append(layer.weight.detach().clone())
        return norms[-1]

    good = [torch.full((2, 4), 0.5)] * 4
    bad = [*good[:3], torch.full((2, 4), torch.inf if dtype is torch.float16 else 0.5)]
    scope = run(
        "q10_grad_scaler",
        language,
        torch=torch,
        device="cpu",
        dtype=dtype,
        model=Mean(),
        optimizer=optimizer,
        accumulation=4,
        batches=[*good, *bad],
        clip_grad_norm_=clip,
    )
    assert float(norms[0]) == pytest.approx(1.0, rel=1e-2)  # four times 1/4 of [0.5, 0.5, 0.5, 0.5]
    assert len(norms) == 2 and not torch.equal(weights[0], weights[1])
    scaler = scope["scaler"]
    if dtype is torch.float16:
        assert torch.equal(weights[1], layer.weight) and scaler.get_scale() == 2**15
    else:
        assert not torch.equal(weights[1], layer.weight) and scaler.get_scale() == 1
    assert layer.weight.grad is None
