"""Linear layers that read int8 weights, for the one-token step on a CPU, where reading weights is the cost.

Shipped weights were int8 before they were widened to fp32, so reading them as int8 again gives the same
numbers from a quarter of the bytes. Weights that do not survive the round trip exactly are left alone, and
so are machines without a C++ compiler: `int8_matvec.cpp` is built once, when it is first needed.
"""

from __future__ import annotations

import functools
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minimind_core.files.quantize import can_quantize, dequantize_int8, quantize_int8

SOURCE = Path(__file__).with_name("int8_matvec.cpp")
FLAGS = ["-O3", "-march=native", "-ffast-math", "-fopenmp"]
"""OpenMP is how torch splits work over its threads; fast-math lets a group be added in vector lanes."""


class Int8Linear(nn.Module):
    """y = x W^T with W in int8 groups; no bias."""

    q: Tensor
    scale: Tensor

    def __init__(self, q: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("q", q)  # [out, in] int8
        self.register_buffer("scale", scale.float())  # [out, in / group]

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] -> [..., out]. One row is read against int8, more rows against widened weights."""
        if x.numel() == x.shape[-1]:
            row = torch.ops.minimind.int8_matvec(x.reshape(-1).contiguous(), self.q, self.scale)  # [out]
            return row.view(*x.shape[:-1], -1)
        return F.linear(x, dequantize_int8(self.q, self.scale))


@functools.cache
def is_available() -> bool:
    """Whether the kernel is there; builds it on the first call, which takes some twenty seconds once."""
    try:
        from torch.utils.cpp_extension import load

        load(
            "minimind_int8",
            [str(SOURCE)],
            extra_cflags=FLAGS,
            extra_ldflags=["-fopenmp"],
            is_python_module=False,
        )
    except (ImportError, OSError, RuntimeError):  # no ninja, no compiler, no writable cache
        return False
    torch.library.register_fake("minimind::int8_matvec", lambda x, q, scale: x.new_empty(q.shape[0]))
    return True


def exact_int8(weight: Tensor) -> tuple[Tensor, Tensor] | None:
    """int8 [out, in] and scales that give back exactly this weight, if there are any."""
    if not can_quantize(weight):
        return None
    q, scale = quantize_int8(weight)
    return (q, scale) if torch.equal(dequantize_int8(q, scale), weight.detach()) else None
