"""How large the numbers of a tensor are: by kind in its own format, and by exponent. Imports torch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labs.tools.number_formats import HIGHEST, LOWEST, PER_OCTAVE


def counts(tensor: Tensor) -> list[int]:
    """Elements that are zero, subnormal, normal, and Inf or NaN in the tensor's own dtype (`KINDS`)."""
    size = tensor.abs()
    zero, infinite = size == 0, ~size.isfinite()
    subnormal = (size < torch.finfo(tensor.dtype).tiny) & ~zero
    return [int(kind.sum()) for kind in (zero, subnormal, ~(zero | subnormal | infinite), infinite)]


def histogram(tensor: Tensor) -> tuple[NDArray[np.int32], int]:
    """How many sizes lie in each bin of exponents (`number_formats.EDGES`), and how many numbers are zero."""
    size = tensor.detach().float().abs().flatten()
    size = size[size > 0]
    exponents = size.log2().clamp(LOWEST, HIGHEST - 1 / PER_OCTAVE)
    bins = ((exponents - LOWEST) * PER_OCTAVE).floor().long().cpu()
    counted = torch.bincount(bins, minlength=(HIGHEST - LOWEST) * PER_OCTAVE)
    return counted.numpy().astype(np.int32), tensor.numel() - size.numel()


def swallowed(dtype: torch.dtype) -> float:
    """The largest power of two that 1 absorbs in that dtype: an update of this size changes nothing.

    >>> swallowed(torch.bfloat16)
    0.00390625
    """
    one = torch.ones((), dtype=dtype)
    return next(2.0**-power for power in range(1, 60) if one + 2.0**-power == one)
