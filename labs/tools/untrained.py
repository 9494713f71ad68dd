"""Models with fresh weights. Imports torch."""

from __future__ import annotations

import torch

from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import MiniMind


def untrained(config: ModelConfig, device: torch.device | str, seed: int = 0) -> MiniMind:
    """A fresh FP32 model of that shape, the same for the same seed; nobody else's random numbers change."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MiniMind(config).to(device)
