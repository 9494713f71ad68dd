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

from minimind_core.decoding.native_library import load_library
from minimind_core.files.quantize import can_quantize, dequantize_int8, quantize_int8

SOURCE = Path(__file__).with_name("int8_matvec.cpp")
LANES = ["-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math"]
"""Lets a group be added in vector lanes. All of fast-math would, linked in, also make tiny numbers zero."""


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
    """Whether the kernel is there; builds it on the first call, which takes some ten seconds once."""
    try:
        load_library(SOURCE, [], _flags())
    except OSError:  # no compiler, no writable cache
        return False
    torch.library.register_fake("minimind::int8_matvec", lambda x, q, scale: x.new_empty(q.shape[0]))
    return True


def _flags() -> list[str]:
    """What this processor knows, and where torch is; its version, so that no other torch loads this build.

    Not by `torch.utils.cpp_extension`: there whoever comes waits for a lock, for good if a build was killed.
    """
    root = Path(torch.__file__).parent
    known: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    include = root / "include"
    return [
        *LANES,
        *(["-mavx2", "-mfma"] if known.get("avx2") and known.get("fma3") else []),
        *(f"-I{folder}" for folder in (include, include / "torch" / "csrc" / "api" / "include")),
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
        f'-DTORCH_BUILD="{torch.__version__}"',
        *(f"-L{root / 'lib'}", "-Wl,--no-as-needed", "-ltorch_cpu", "-lc10"),
    ]


def exact_int8(weight: Tensor) -> tuple[Tensor, Tensor] | None:
    """int8 [out, in] and scales that give back exactly this weight, if there are any."""
    if not can_quantize(weight):
        return None
    q, scale = quantize_int8(weight)
    return (q, scale) if torch.equal(dequantize_int8(q, scale), weight.detach()) else None
