"""The loss by labels instead of a mask, as upstream's dataset has them since 2026-01-15. Imports torch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from labs.q01_loss_mask.rows import Mask

IGNORED = -100
"""The label of what bears no loss: torch's own default for `ignore_index`."""


def losses_by_label(logits: Tensor, ids: Tensor, real: Mask) -> Tensor:
    """Loss [T - 1] of one row: logits [1, T, V], ids int64 [1, T], labels IGNORED where `real` [T] is not.

    The labels are as long as the ids, and are shifted here, as a model does that is given labels.
    """
    labels = ids.masked_fill(~torch.tensor(real, device=ids.device), IGNORED)  # [1, T]
    return F.cross_entropy(logits[0, :-1], labels[0, 1:], ignore_index=IGNORED, reduction="none")
