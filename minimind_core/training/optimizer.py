"""Which weights are updated by which rule: AdamW for all, or Muon for the matrices of the layers.

Muon's step is scaled to AdamW's size, so that one learning rate serves both. Embedding, positions and
norms always have AdamW. Norms are never decayed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from minimind_core.training.muon import Muon
from minimind_core.training.training_config import TrainingConfig


def make_optimizers(model: nn.Module, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """One or two optimizers that together own every trainable parameter once."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    hidden_matrices = [p for name, p in named if p.dim() == 2 and ".layers." in name]
    use_muon = config.optimizer == "muon" and hidden_matrices
    muon_owned = {id(p) for p in hidden_matrices} if use_muon else set()
    rest = [p for _, p in named if id(p) not in muon_owned]
    optimizers: list[torch.optim.Optimizer] = [_adamw(rest, config)] if rest else []
    if use_muon:
        optimizers.append(Muon(hidden_matrices, lr=config.learning_rate, weight_decay=config.weight_decay))
    return optimizers


def _adamw(parameters: Sequence[nn.Parameter], config: TrainingConfig) -> torch.optim.AdamW:
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    fused = parameters[0].is_cuda
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        fused=fused,
    )


def clip_gradients(gradients: Sequence[Tensor], clip_norm: float) -> Tensor:
    """Scale the gradients down to a total norm of `clip_norm` (0: never). Returns the norm before, a scalar.

    As `clip_grad_norm_`, but a norm that is NaN or infinite changes nothing: multiplying by it would write
    NaN, or zeros, into every gradient that was right. Does not wait for the device.
    """
    norm = torch.nn.utils.get_total_norm(gradients)
    if clip_norm:
        factor = (clip_norm / (norm + 1e-6)).clamp(max=1.0)
        torch._foreach_mul_(list(gradients), torch.where(norm.isfinite(), factor, 1.0))
    return norm


def set_learning_rate(optimizers: Sequence[torch.optim.Optimizer], learning_rate: float) -> None:
    """Give every group the same learning rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
