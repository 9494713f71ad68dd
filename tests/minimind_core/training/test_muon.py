"""Our batched Muon makes the updates of torch's, and pushes singular values to about one."""

from __future__ import annotations

import pytest
import torch

from minimind_core.training.muon import Muon, orthogonalize

SHAPES = [(32, 32), (16, 64), (64, 16), (32, 32), (16, 64)]


def parameters() -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def test_updates_equal_torchs() -> None:
    ours, theirs = parameters(), parameters()
    before = [parameter.detach().clone() for parameter in ours]
    optimizers = (
        Muon(ours, lr=0.02, weight_decay=0.1),
        torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
    )
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=generator)
            other.grad = one.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for start, one, other in zip(before, ours, theirs, strict=True):
        moved = (one - start).norm()
        assert moved > 0.1 and (one - other).norm() < 0.02 * moved  # torch iterates in bf16


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 16, 64), (2, 64, 16)])
def test_singular_values_come_near_one_and_directions_stay(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    result = orthogonalize(matrices)
    inner = left.mT @ result @ right.mT  # diagonal in the same singular vectors
    diagonal = inner.diagonal(dim1=-2, dim2=-1)
    large = values > 0.1 * values.amax(-1, keepdim=True)
    assert result.shape == shape and result.dtype == torch.float32
    assert ((diagonal[large] > 0.6) & (diagonal[large] < 1.3)).all()
    assert (inner - torch.diag_embed(diagonal)).abs().max() < 1e-3


def test_a_matrix_without_a_gradient_stays() -> None:
    ours = parameters()
    ours[0].grad = torch.ones_like(ours[0])
    before = [parameter.detach().clone() for parameter in ours]
    Muon(ours, lr=0.1).step()
    changed = [not torch.equal(one, start) for one, start in zip(ours, before, strict=True)]
    assert changed == [True, False, False, False, False]


def test_only_matrices_are_taken() -> None:
    with pytest.raises(AssertionError, match="Muon is for matrices"):
        Muon([torch.nn.Parameter(torch.ones(3))], lr=0.1)
