"""Which library multiplies fp32 matrices on a CPU: the one that torch takes, mostly MKL, or oneDNN.

Which is faster depends on the processor and on the sizes, so it is measured: once a process for each shape,
with the threads in use. Both give the same numbers up to the order of sums. `MINIMIND_ONEDNN=off` leaves
everything to torch. Serves inference only; int8 weights for one row are `int8_linear.py`.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

HAS_ONEDNN = torch.backends.mkldnn.is_available() and all(
    hasattr(torch.ops.mkldnn, name) for name in ("_linear_pointwise", "_reorder_linear_weight")
)
"""These are torch's private operations: a build without them multiplies as it always did."""
ROUNDS = 7
"""Calls of each way, in turn; the fastest of each is compared, which a busy moment cannot spoil."""
GAIN = 1.05
"""How many times faster oneDNN must be to be taken."""
PROMPT_ROWS = 256
"""Rows for which the products of prompts are measured."""
FEWEST_PROMPT_ROWS = 64
"""A prompt with fewer is not worth a measurement."""


class PackedLinear(nn.Module):
    """y = x W^T by oneDNN, from a copy of the weights in the layout that it wants; no bias."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach())
        self.out_features = len(weight)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] -> [..., out]."""
        return _product(x, self.packed, self.out_features)


@torch.library.custom_op("minimind::onednn_product", mutates_args=())
def onednn_product(x: Tensor, weight: Tensor, out_features: int) -> Tensor:
    """x [..., in], weight [out, in] plain or packed -> [..., out]. One operation to the compiler."""
    return _linear_pointwise(x, weight)


@onednn_product.register_fake
def _(x: Tensor, weight: Tensor, out_features: int) -> Tensor:
    return x.new_empty(*x.shape[:-1], out_features)


def _product(x: Tensor, weight: Tensor, out_features: int) -> Tensor:
    """The same; without a compiler that has to see it, not through its name, whose first call takes 2 s."""
    if torch.compiler.is_compiling():
        return onednn_product(x, weight, out_features)
    return _linear_pointwise(x, weight)


def _linear_pointwise(x: Tensor, weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


def prompt_products(device: torch.device) -> AbstractContextManager[object]:
    """Inside, products of many rows are oneDNN's where that is faster; the model stays as it is.

    >>> with prompt_products(torch.device("cpu")):
    ...     F.linear(torch.ones(128, 4), torch.ones(2, 4)).shape
    torch.Size([128, 2])
    """
    return _PromptProducts() if device.type == "cpu" else nullcontext()


class _PromptProducts(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """As torch calls it: every operation passes here, and only `F.linear` is looked at."""
        if func is F.linear and not kwargs and (len(args) == 2 or args[2] is None):
            x, weight = args[:2]
            many = x.numel() >= FEWEST_PROMPT_ROWS * x.shape[-1]
            if many and is_served(weight) and onednn_is_faster(PROMPT_ROWS, weight, packed=False):
                return _product(x, weight, len(weight))
        return func(*args, **(kwargs or {}))


def is_served(weight: Tensor) -> bool:
    """Whether oneDNN may multiply with it at all: fp32 on a CPU, in inference, and not switched off."""
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and HAS_ONEDNN
        and os.environ.get("MINIMIND_ONEDNN") != "off"
        and not (torch.is_grad_enabled() and weight.requires_grad)
    )


def onednn_is_faster(rows: int, weight: Tensor, *, packed: bool) -> bool:
    """Whether oneDNN multiplies so many rows with a matrix of this shape faster than torch's own choice."""
    return _measured(rows, *weight.shape, packed, torch.get_num_threads())


@functools.cache
def _measured(rows: int, out_features: int, in_features: int, packed: bool, threads: int) -> bool:
    with torch.inference_mode():
        x, weight = torch.ones(rows, in_features), torch.ones(out_features, in_features)
        other = PackedLinear(weight).packed if packed else weight
        ways = [lambda: F.linear(x, weight), lambda: _product(x, other, out_features)]
        fastest = [min(seconds) for seconds in zip(*(_round(ways) for _ in range(ROUNDS)), strict=True)]
    return fastest[0] > GAIN * fastest[1]


def _round(ways: list[Callable[[], Tensor]]) -> list[float]:
    """Seconds of one call of each."""
    seconds = []
    for way in ways:
        begin = time.perf_counter()
        way()
        seconds.append(time.perf_counter() - begin)
    return seconds
