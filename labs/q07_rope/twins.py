"""The same weights with another treatment of positions: a twin shares every tensor of a loaded model.

The model of the worker is never changed. Imports torch; scores nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labs.q07_rope.rotating import place_of
from minimind_core.model.config import ModelConfig, RopeScaling
from minimind_core.model.minimind import INIT_STD, MiniMind
from minimind_core.model.rope import RotaryEmbedding, plain_inv_freq

ANGLE_TYPES = {"fp64": torch.float64, "fp32": torch.float32, "bf16": torch.bfloat16}
TABLE = "model.embed_positions.weight"


class RotaryIn(nn.Module):
    """Cosines and sines whose angles are computed in another type than the core's fp32."""

    def __init__(self, config: ModelConfig, arithmetic: str) -> None:
        super().__init__()
        self.arithmetic = arithmetic
        self.inv_freq = plain_inv_freq(config.head_dim, config.rope_theta)

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """positions [T] int -> cos, sin [1, T, head_dim] fp32, as the core's own (the 1 is the head axis)."""
        kind, device = ANGLE_TYPES[self.arithmetic], positions.device
        place = place_of(self.arithmetic, device.type)
        angles = positions.to(place)[..., None].to(kind) * self.inv_freq.to(kind).to(place)  # [T, D/2]
        angles = torch.cat((angles, angles), -1).unsqueeze(-3)  # [1, T, D]
        return angles.cos().float().to(device), angles.sin().float().to(device)


def twin(
    model: MiniMind, *, scaling: RopeScaling | None = None, angles: str | None = None, sharpen: float = 1.0
) -> MiniMind:
    """A RoPE model with stretched frequencies, or with angles in "fp64" or "bf16".

    `sharpen` multiplies queries and keys, so scores by its square: attention of one token on few others.
    """
    config = model.config.replace(rope_scaling=scaling)
    state = dict(model.state_dict())
    if sharpen != 1:
        for name in state:
            if name.endswith(("q_proj.weight", "k_proj.weight")):
                state[name] = state[name] * sharpen
    made = _assembled(config, state)
    device = model.model.embed_tokens.weight.device
    made.model.rotary = RotaryEmbedding(config).to(device)
    if angles is not None:
        made.model.rotary = RotaryIn(config, angles)
    return made


def with_longer_table(model: MiniMind, length: int, seed: int) -> MiniMind:
    """Learned positions with more rows, the new ones as they were before any training."""
    table = model.model.embed_positions.weight
    random = torch.Generator().manual_seed(seed)
    new = torch.randn((length - len(table), table.shape[1]), generator=random) * INIT_STD
    state = dict(model.state_dict())
    state[TABLE] = torch.cat((table.detach(), new.to(table)))  # [length, C]
    return _assembled(model.config.replace(max_length=length), state)


def past_the_table(model: MiniMind) -> dict[str, str | int]:
    """What reading one token more than the table of learned positions has rows for really does.

    On the CPU: on a GPU the same read is a device-side assert that ends the process.
    """
    rows = model.config.max_length
    state = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    ids = torch.full((1, rows + 1), model.config.bos_id)
    try:
        with torch.inference_mode():
            _assembled(model.config, state)(ids)
    except IndexError as error:
        return {"error": type(error).__name__, "message": str(error), "rows": rows, "position": rows}
    return {"error": "", "message": "", "rows": rows, "position": rows}


def _assembled(config: ModelConfig, state: dict[str, Tensor]) -> MiniMind:
    """A model around tensors that exist, without making and throwing away others."""
    with torch.device("meta"):
        made = MiniMind(config)
    made.load_state_dict(state, assign=True)
    return made.eval()
