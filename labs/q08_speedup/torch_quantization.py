"""torch's own quantisation where it does not do what it seems to: FP16 models, and static without observers.

The functions are those of `torch.ao.quantization`, on layers of a toy size, on the CPU. Imports torch.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from labs.claims.checks import CannotCheck

WIDTH = 64


def dynamic(dtype: torch.dtype) -> str:
    """ "runs", or the exception of the first forward after `quantize_dynamic` on a layer of that dtype."""
    try:
        with _quiet() as quantization:
            model = quantization.quantize_dynamic(
                nn.Sequential(nn.Linear(WIDTH, WIDTH)).to(dtype), {nn.Linear}
            )
            model(torch.zeros(1, WIDTH, dtype=dtype))
    except RuntimeError as error:
        return type(error).__name__
    return "runs"


def static_modules(*, prepared: bool) -> int:
    """Quantised modules after calibration and `convert`, with `prepare` before them or without."""
    with _quiet() as quantization:
        layers = nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH)
        model = nn.Sequential(quantization.QuantStub(), *layers, quantization.DeQuantStub()).eval()
        model.qconfig = quantization.get_default_qconfig()
        if prepared:
            model = quantization.prepare(model)
        model(torch.randn(8, WIDTH, generator=torch.Generator().manual_seed(0)))
        converted = quantization.convert(model)
    return sum(
        isinstance(getattr(module, "scale", None), float) and hasattr(module, "weight")
        for module in converted.modules()
    )


@contextmanager
def _quiet() -> Iterator[Any]:
    """`torch.ao.quantization` without its warning of removal. Raises CannotCheck where it was removed."""
    try:
        from torch.ao import quantization
    except ImportError as error:
        raise CannotCheck(
            "This torch no longer has torch.ao.quantization.", key="verdict.no_quantization"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield quantization
