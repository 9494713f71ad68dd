"""RoPE in other arithmetics: of single vectors, and in whole models that share their weights. Imports torch.

Vectors are rotated by the core's own `apply_rope`, and products are summed in float64 on the CPU, so that
only the rotation is on trial. No model of the worker is ever changed.
Shapes: N vectors, M positions, D head_dim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from labs.contract import DEFAULT_MODEL, Context, Floats
from labs.tools import heldout
from labs.tools.models import assembled
from minimind_core.errors import ConfigError
from minimind_core.files.checkpoint import LoadedModel
from minimind_core.model.config import ModelConfig, RopeScaling
from minimind_core.model.minimind import MiniMind
from minimind_core.model.rope import apply_rope, plain_inv_freq

NUM_VECTORS = 256
DTYPES = {
    "fp64": (torch.float64, torch.float64),
    "fp32": (torch.float32, torch.float32),
    "bf16_values": (torch.float32, torch.bfloat16),
    "bf16_angles": (torch.bfloat16, torch.bfloat16),
}
"""Type of the angles and of the values, by arithmetic."""
ANGLE_DTYPES = {"fp64": torch.float64, "fp32": torch.float32, "bf16": torch.bfloat16}


def angles_in(dtype: torch.dtype, positions: Tensor, inv_freq: Tensor, device: str) -> Tensor:
    """Positions [...] times frequencies [D/2], both in `dtype` -> [..., D], each angle for both dimensions.

    On the device, or on the CPU where that is Apple's GPU, which has no float64.
    """
    where = "cpu" if device == "mps" and dtype == torch.float64 else device
    angles = positions.to(dtype).to(where)[..., None] * inv_freq.to(dtype).to(where)
    return torch.cat((angles, angles), -1)


@dataclass(frozen=True)
class Rotation:
    """Turns vectors by frequencies [D/2] in one arithmetic, as code does it on a device."""

    inv_freq: Tensor
    arithmetic: str
    device: str = "cpu"

    def turned(self, x: Tensor, positions: Tensor) -> Tensor:
        """x [N, D], positions [M] -> [M, N, D]; all of it float64 on the CPU."""
        angle_dtype, value_dtype = DTYPES[self.arithmetic]
        angles = angles_in(angle_dtype, positions, self.inv_freq, self.device)[:, None]  # [M, 1, D]
        cos, sin = angles.cos().to(value_dtype), angles.sin().to(value_dtype)
        return apply_rope(x.to(value_dtype).to(angles.device)[None], cos, sin).cpu().double()

    def scores(self, queries: Tensor, keys: Tensor, starts: Tensor, distance: int) -> Tensor:
        """score(m, m + distance) for each start m [M] and each query and key [N, D] -> [M, N] float64."""
        return (self.turned(queries, starts) * self.turned(keys, starts + distance)).sum(-1)

    def arrows(
        self, query: Tensor, key: Tensor, distance: int, pairs: Sequence[int], positions: Tensor
    ) -> Floats:
        """Pairs of a query at positions [M] and of a key a distance further, [1, D] each -> [M, pairs, 4].

        The last axis is the query's x and y, then the key's.
        """
        half = query.shape[1] // 2
        turned = self.turned(query, positions)[:, 0], self.turned(key, positions + distance)[:, 0]  # [M, D]
        sides = [x[:, [pair + side for pair in pairs]] for x in turned for side in (0, half)]
        return torch.stack(sides, -1).float().numpy()


def interleaved_scores(queries: Tensor, keys: Tensor, start: int, distance: int, inv_freq: Tensor) -> Tensor:
    """Scores [N] at one start in float64 with neighbours as pairs, (0, 1), (2, 3), ..., as in the paper."""

    def turned(x: Tensor, position: int) -> Tensor:
        pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())  # [N, D/2]
        return pairs * torch.polar(torch.ones_like(inv_freq), position * inv_freq)

    return (turned(queries, start) * turned(keys, start + distance).conj()).real.sum(-1)


def to_interleaved(x: Tensor) -> Tensor:
    """Move dimension i beside i + D/2, where the other pairing looks for it. [N, D] -> [N, D]."""
    return torch.stack(x.chunk(2, -1), -1).flatten(-2)  # [N, D/2, 2] -> [N, D]


def both_pairings(
    queries: Tensor, keys: Tensor, start: int, distance: int, inv_freq: Tensor
) -> tuple[NDArray[np.float64], ...]:
    """Scores [N] by halves, by neighbours with the dimensions moved, and by neighbours as they are."""
    half = Rotation(inv_freq, "fp64").scores(queries, keys, torch.tensor([start]), distance)[0]
    moved = to_interleaved(queries), to_interleaved(keys)
    permuted = interleaved_scores(*moved, start, distance, inv_freq)
    unpermuted = interleaved_scores(queries, keys, start, distance, inv_freq)
    return half.numpy(), permuted.numpy(), unpermuted.numpy()


def random_vectors(head_dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Standard normal queries and keys, float64 [NUM_VECTORS, head_dim] each."""
    random = torch.Generator().manual_seed(seed)
    queries, keys = torch.randn((2, NUM_VECTORS, head_dim), generator=random, dtype=torch.float64)
    return queries, keys


def vectors_of(loaded: LoadedModel, layer: int, head: int, seed: int) -> tuple[Tensor, Tensor]:
    """A head's queries over a held-out text, and its keys in a random order: float64 [NUM_VECTORS, D] each.

    Raises ConfigError for a layer or a head that the model lacks.
    """
    name, layers, heads = loaded.name, loaded.config.num_layers, loaded.config.num_heads
    if layer >= layers:
        sentence = f"{name} has {layers} layers, numbered from 0; there is no {layer}."
        raise ConfigError(sentence, key="q07.no_layer", model=name, count=layers, given=layer)
    if head >= heads:
        sentence = f"{name} has {heads} query heads, numbered from 0; there is no {head}."
        raise ConfigError(sentence, key="q07.no_head", model=name, count=heads, given=head)
    documents = heldout.held_out("english")
    ids = heldout.windows(loaded.tokenizer, documents, 1, NUM_VECTORS, seed)[:, :-1]
    queries, keys = unrotated(loaded, ids, layer, head)
    return queries, keys[torch.randperm(NUM_VECTORS, generator=torch.Generator().manual_seed(seed))]


@torch.inference_mode()
def unrotated(loaded: LoadedModel, ids: Tensor, layer: int, head: int) -> tuple[Tensor, Tensor]:
    """One head's queries and the keys that it reads before rotation: ids [1, T] -> float64 [T, D] each."""
    config, model = loaded.config, loaded.model
    attention = model.model.layers[layer].self_attn
    inputs: list[Tensor] = []
    with attention.register_forward_pre_hook(lambda _module, given: inputs.append(given[0])):
        model.model(ids.to(model.device))
    queries, keys, _ = attention.project(inputs[0])  # [1, T, H * D], [1, T, K * D]
    split = (ids.shape[1], -1, config.head_dim)
    queries, keys = attention.q_norm(queries.view(split)), attention.k_norm(keys.view(split))  # [T, heads, D]
    return queries[:, head].cpu().double(), keys[:, head // config.group_size].cpu().double()


def rope_model(ctx: Context, name: str | None = None) -> LoadedModel:
    """The specimen of that name; the checkpoint that the user chose for None or for the 26M.

    Raises ConfigError for one without RoPE.
    """
    loaded: LoadedModel = ctx.model(None if name == DEFAULT_MODEL else name)
    position = loaded.config.position
    if position != "rope":
        raise ConfigError(
            f"{loaded.name} has {position} positions; choose a model with RoPE.",
            key="q07.no_rope",
            model=loaded.name,
            position=position,
        )
    return loaded


class RotaryIn(nn.Module):
    """Cosines and sines whose angles are computed in "fp64", "fp32" or "bf16", in place of the core's."""

    def __init__(self, config: ModelConfig, dtype: str) -> None:
        super().__init__()
        self.dtype = ANGLE_DTYPES[dtype]
        self.frequencies = plain_inv_freq(config.head_dim, config.rope_theta)

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """positions [T] int -> cos, sin [1, T, head_dim] fp32, as the core's own (the 1 is the head axis)."""
        device = positions.device
        angles = angles_in(self.dtype, positions, self.frequencies, device.type).unsqueeze(-3)
        return angles.cos().float().to(device), angles.sin().float().to(device)


def twin(
    model: MiniMind, *, scaling: RopeScaling | None = None, angles: str | None = None, sharpen: float = 1.0
) -> MiniMind:
    """A RoPE model with the same tensors, and stretched frequencies or angles in "fp64", "fp32" or "bf16".

    `sharpen` multiplies queries and keys, so scores by its square: attention of one token on few others.
    """
    config, weights = model.config.replace(rope_scaling=scaling), dict(model.state_dict())
    if sharpen != 1:
        sharpened = [name for name in weights if name.endswith(("q_proj.weight", "k_proj.weight"))]
        weights |= {name: weights[name] * sharpen for name in sharpened}
    copy = assembled(config, weights)
    if angles is not None:
        copy.model.rotary = RotaryIn(config, angles)
    return copy
