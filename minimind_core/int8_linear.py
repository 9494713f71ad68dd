"""Linear layers that read int8 weights, for the one-token step on a CPU, where reading weights is the cost.

Shipped weights were int8 before they were widened to fp32, so reading them as int8 again gives the same
numbers from a quarter of the bytes. Weights that do not survive the round trip exactly are left alone.
Made for torch.compile, which turns the product of one row into one loop; eager is slower than fp32.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minimind_core.model import MiniMind
from minimind_core.quantize import GROUP_SIZE, can_quantize, dequantize_int8, quantize_int8


class Int8Linear(nn.Module):
    """y = x W^T with W in int8 groups; no bias."""

    q: Tensor
    scale: Tensor

    def __init__(self, q: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("q", q)  # [out, in] int8
        self.register_buffer("scale", scale.float())  # [out, in / group]

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] -> [..., out]. One row is a reduction over groups, more rows a product."""
        out_features, in_features = self.q.shape
        grouped = self.q.view(out_features, -1, GROUP_SIZE)  # [out, in / group, group]
        if x.numel() != in_features:
            return F.linear(x, (grouped.to(x.dtype) * self.scale[..., None]).flatten(1))
        products = grouped.to(x.dtype) * x.view(-1, GROUP_SIZE)  # [out, in / group, group]
        return (products.sum(-1) * self.scale).sum(-1).view(*x.shape[:-1], out_features)


def with_int8_linears(model: MiniMind) -> MiniMind | None:
    """A copy whose linear layers and head read int8, or None where that would change a single weight."""
    if any(_as_int8(weight) is None for weight in _linear_weights(model)):
        return None
    twin = copy.deepcopy(model)
    for name, module in list(twin.named_modules()):
        if isinstance(module, nn.Linear):
            parent, _, child = name.rpartition(".")
            setattr(twin.get_submodule(parent), child, _int8_linear(module.weight))
    twin.config = model.config.replace(tie_word_embeddings=False)
    twin.lm_head = _int8_linear(model.head_weight)
    return twin


def _linear_weights(model: MiniMind) -> list[Tensor]:
    return [model.head_weight, *(m.weight for m in model.modules() if isinstance(m, nn.Linear))]


def _as_int8(weight: Tensor) -> tuple[Tensor, Tensor] | None:
    """int8 and scales that give back exactly this weight, if there are any."""
    if not can_quantize(weight):
        return None
    q, scale = quantize_int8(weight)
    return (q, scale) if torch.equal(dequantize_int8(q, scale), weight.detach()) else None


def _int8_linear(weight: Tensor) -> Int8Linear:
    exact = _as_int8(weight)
    assert exact is not None
    return Int8Linear(*exact)
