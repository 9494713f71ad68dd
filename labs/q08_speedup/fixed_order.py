"""Products whose sums have one order, whatever the batch: rows in tiles of one size. Imports torch.

A library chooses its kernel, and with it the order of a sum, by the number of rows; a tile
always has the same.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labs.tools.models import assembled
from minimind_core.model.minimind import MiniMind


class TiledLinear(nn.Module):
    """A bias-free linear layer that multiplies `tile` rows at a time, the last ones filled up with zeros."""

    def __init__(self, weight: Tensor, tile: int) -> None:
        super().__init__()
        self.weight, self.tile = weight, tile

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] -> [..., out]."""
        rows = x.reshape(-1, x.shape[-1])
        filled = F.pad(rows, (0, 0, 0, -len(rows) % self.tile))
        products = [F.linear(tile, self.weight) for tile in filled.split(self.tile)]
        return torch.cat(products)[: len(rows)].view(*x.shape[:-1], -1)


def in_tiles(model: MiniMind, tile: int) -> MiniMind:
    """The same model on the same weights, whose every product runs in tiles of so many rows."""
    twin = assembled(model.config, dict(model.state_dict()))
    for module in list(twin.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, TiledLinear(child.weight.detach(), tile))
    twin.config = model.config.replace(tie_word_embeddings=False)
    twin.lm_head = TiledLinear(model.head_weight.detach(), tile)
    return twin
