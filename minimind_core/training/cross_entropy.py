"""Summed cross-entropy of logits and target ids; on CUDA two Triton kernels, which read the logits once each.

Torch makes an FP32 copy of all logits and reads it several times; with 6,400 ids a position, that is a tenth
of the memory traffic of a training step (the idea of fused losses: Liger Kernel, Hsu et al. 2024). The sums
are the same, in FP32. Elsewhere, and for float64, torch's own loss is taken.

Shapes: N positions, V vocabulary ids.
"""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_core.training.batches import IGNORE

try:
    if not torch.backends.cuda.is_built() and os.environ.get("TRITON_INTERPRET") != "1":
        raise ImportError("nothing here can run a kernel: spare the import, which takes a while")
    import triton
    import triton.language as tl
except ImportError:  # CPU builds, Apple and Windows come without it
    triton = None

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
"""Of logits; sums are fp32, so that float64 would not be served as it should."""
MOST_IDS = 8192
"""Vocabulary ids that a program holds at once; a larger vocabulary is read in parts."""
WARPS = 8


def summed_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """The sum of -log softmax(logits)[target] over the positions whose target is not IGNORE, in nats.

    logits [N, V]; targets int64 [N]. Sums in fp32, in float64 for such logits. A target that is no id is a
    failed device check on CUDA by torch; by the kernels the loss and that position's gradient are NaN.
    """
    if is_available(logits.device, logits.dtype):
        return token_losses(logits, targets)[0].sum()
    logits = logits if logits.dtype == torch.float64 else logits.float()
    return F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum")


def is_available(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the kernels can run here: CUDA, Triton, and a dtype that they add up in full."""
    return triton is not None and device.type == "cuda" and dtype in DTYPES


@torch.library.custom_op("minimind::token_losses", mutates_args=())
def token_losses(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Loss of each position and log of its sum of exp(logits), both fp32 [N], by the kernel."""
    losses = torch.empty(len(targets), dtype=torch.float32, device=logits.device)
    log_sums = torch.empty_like(losses)
    _loss_kernel[(len(targets),)](
        logits.contiguous(),
        targets,
        losses,
        log_sums,
        logits.shape[1],
        IGNORED=IGNORE,
        IDS=_ids(logits),
        num_warps=WARPS,
    )
    return losses, log_sums


@torch.library.custom_op("minimind::token_losses_backward", mutates_args=())
def token_losses_backward(grad: Tensor, logits: Tensor, targets: Tensor, log_sums: Tensor) -> Tensor:
    """grad [N] times (softmax(logits) - one-hot target), in the dtype of the logits [N, V], by the kernel."""
    gradient = torch.empty_like(logits, memory_format=torch.contiguous_format)
    _gradient_kernel[(len(targets),)](
        grad.contiguous(),
        logits.contiguous(),
        targets,
        log_sums,
        gradient,
        logits.shape[1],
        IGNORED=IGNORE,
        IDS=_ids(logits),
        num_warps=WARPS,
    )
    return gradient


@token_losses.register_fake
def _(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    losses = logits.new_empty(logits.shape[0], dtype=torch.float32)
    return losses, torch.empty_like(losses)


@token_losses_backward.register_fake
def _(grad: Tensor, logits: Tensor, targets: Tensor, log_sums: Tensor) -> Tensor:
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs, output[1])


def _backward(ctx, grad_losses, _grad_log_sums):  # type: ignore[no-untyped-def]
    return token_losses_backward(grad_losses, *ctx.saved_tensors), None


token_losses.register_autograd(_backward, setup_context=_keep)


def _ids(logits: Tensor) -> int:
    """Ids that a program holds at once: a power of two, as Triton's tiles are."""
    return min(MOST_IDS, 1 << (logits.shape[1] - 1).bit_length())


if triton is not None:

    @triton.jit
    def _loss_kernel(  # type: ignore[no-untyped-def]
        logits, targets, losses, log_sums, vocab_size, IGNORED: tl.constexpr, IDS: tl.constexpr
    ):
        """Loss and log-sum-exp of one position, by an online softmax over parts of its row."""
        position = tl.program_id(0)
        row = logits + position.to(tl.int64) * vocab_size
        target = tl.load(targets + position)
        best, total = float("-inf"), 0.0
        for first in range(0, vocab_size, IDS):
            ids = first + tl.arange(0, IDS)
            value = tl.load(row + ids, mask=ids < vocab_size, other=float("-inf")).to(tl.float32)  # [IDS]
            higher = tl.maximum(best, tl.max(value, 0))
            total = total * tl.exp(best - higher) + tl.sum(tl.exp(value - higher), 0)
            best = higher
        log_sum = best + tl.log(total)
        known = (target >= 0) & (target < vocab_size)
        chosen = tl.load(row + target, mask=known, other=float("nan")).to(tl.float32)
        tl.store(losses + position, tl.where(target == IGNORED, 0.0, log_sum - chosen))
        tl.store(log_sums + position, log_sum)

    @triton.jit
    def _gradient_kernel(  # type: ignore[no-untyped-def]
        grad, logits, targets, log_sums, gradient, vocab_size, IGNORED: tl.constexpr, IDS: tl.constexpr
    ):
        """Gradient of one position's row of logits."""
        position = tl.program_id(0)
        offset = position.to(tl.int64) * vocab_size
        target, log_sum = tl.load(targets + position), tl.load(log_sums + position)
        known = (target >= 0) & (target < vocab_size)
        scale = tl.where(target == IGNORED, 0.0, tl.where(known, tl.load(grad + position), float("nan")))
        for first in range(0, vocab_size, IDS):
            ids = first + tl.arange(0, IDS)
            inside = ids < vocab_size
            value = tl.load(logits + offset + ids, mask=inside, other=float("-inf")).to(tl.float32)  # [IDS]
            change = tl.exp(value - log_sum) - tl.where(ids == target, 1.0, 0.0)
            # NaN times zero is NaN, as in torch's: a position that is not scored does not hide its logits
            tl.store(gradient + offset + ids, (change * scale).to(gradient.dtype.element_ty), mask=inside)
