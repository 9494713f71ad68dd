"""The loss that training sums: torch's, whichever way it is computed.

The kernels' logic is tested by Triton's interpreter too (`test_fused_step.py` runs it), on any machine.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from minimind_core.training.cross_entropy import IGNORE, is_available, summed_cross_entropy

needs_gpu = pytest.mark.skipif(
    not is_available(torch.device("cuda"), torch.float32) or not torch.cuda.is_available(),
    reason="needs a GPU and triton",
)
VOCAB = 6_400


def inputs(dtype: torch.dtype, device: str, vocab_size: int = VOCAB) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    logits = (4 * torch.randn(33, vocab_size)).to(device, dtype).requires_grad_()
    targets = torch.randint(vocab_size, (33,), device=device)
    targets[::4] = IGNORE
    return logits, targets


def by_torch(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits.double(), targets, ignore_index=IGNORE, reduction="sum")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
@pytest.mark.parametrize("vocab_size", [VOCAB, 100_003])
def test_loss_and_gradient_are_those_of_float64(dtype: torch.dtype, device: str, vocab_size: int) -> None:
    logits, targets = inputs(dtype, device, vocab_size)
    loss = summed_cross_entropy(logits, targets)
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    expected = by_torch(logits, targets)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-6, atol=0)
    gradient, right = (torch.autograd.grad(each / 7, logits)[0] for each in (loss, expected))
    assert gradient.dtype == dtype
    error = (gradient.double() - right.double()).norm() / right.double().norm()
    assert error < {torch.float64: 1e-12, torch.float32: 1e-5}.get(dtype, 4e-3)


@needs_gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_it_is_the_same(dtype: torch.dtype) -> None:
    logits, targets = inputs(dtype, "cuda")
    compiled = torch.compile(lambda *given: summed_cross_entropy(*given) / 7, fullgraph=True)
    ours, eager = compiled(logits, targets), summed_cross_entropy(logits, targets) / 7
    torch.testing.assert_close(ours, eager, rtol=1e-6, atol=0)
    one, other = (torch.autograd.grad(each, logits)[0] for each in (ours, eager))
    torch.testing.assert_close(one, other)
