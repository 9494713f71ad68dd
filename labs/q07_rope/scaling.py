"""Frequencies of RoPE and what stretches them, as formulas in NumPy: PI, NTK, YaRN. No torch.

Written apart from the core's own (`minimind_core/model/rope.py`), so that a run can compare the two. Reads
the `rope_scaling` dictionary of a config.json.

    multipliers(64, 1e6, RopeScaling("yarn", 16, 2048))[[0, 31]]      # 1 and 1/16
"""

from __future__ import annotations

import json
import math

import numpy as np
from numpy.typing import NDArray

from labs.contract import Counts, Numbers
from minimind_core.errors import ConfigError
from minimind_core.files.rope_dictionary import KINDS, read_rope_dictionary
from minimind_core.model.config import RopeScaling, RopeScalingKind

Array = NDArray[np.float64]
UPSTREAM = (
    '{"rope_type": "yarn", "factor": 16, "original_max_position_embeddings": 2048, '
    '"beta_fast": 32, "beta_slow": 1, "attention_factor": 1.0}'
)
"""What upstream MiniMind has set since December 2025."""
KINDS_HERE: dict[str, RopeScalingKind] = {**KINDS, "pi": "pi", "ntk": "ntk"}
"""transformers' names, and ours."""
LOW_FACTOR = "Factor must be at least 1; 1 means no scaling."


def frequencies(head_dim: int, base: float) -> Array:
    """Radians a position of each pair: base^(-2j/head_dim), float64 [head_dim/2] (Su et al. 2021).

    >>> frequencies(8, 1e4).round(4).tolist()
    [1.0, 0.1, 0.01, 0.001]
    """
    return np.asarray(base ** (-np.arange(0, head_dim, 2) / head_dim))


def wavelengths(head_dim: int, base: float) -> Array:
    """Positions that each pair takes for one turn."""
    return np.asarray(2 * math.pi / frequencies(head_dim, base))


def multipliers(head_dim: int, base: float, scaling: RopeScaling) -> Array:
    """What each frequency is multiplied by, float64 [head_dim/2].

    PI: 1/s for all (Chen et al. 2023). NTK: the base becomes base * s^(d/(d-2)), so that the slowest pair
    is divided by exactly s (community, 2023). YaRN: see `kept_share` (Peng et al. 2023).
    """
    factor = scaling.factor
    if scaling.kind == "pi":
        return np.full(head_dim // 2, 1 / factor)
    if scaling.kind == "ntk":
        stretched = base * factor ** (head_dim / (head_dim - 2))
        return np.asarray(frequencies(head_dim, stretched) / frequencies(head_dim, base))
    kept = kept_share(head_dim, base, scaling)
    return np.asarray(kept + (1 - kept) / factor)


def kept_share(head_dim: int, base: float, scaling: RopeScaling) -> Array:
    """1 for pairs that YaRN keeps, 0 for those that it divides, a ramp between.

    A pair makes L theta / 2 pi turns within the original length L; `beta_fast` turns or more are kept,
    `beta_slow` or fewer divided. The borders are rounded outwards to whole pairs.
    """

    def border(turns: float) -> float:
        """The pair, not whole, that makes so many turns."""
        return head_dim / 2 * math.log(scaling.original_length / (2 * math.pi * turns)) / math.log(base)

    low = max(math.floor(border(scaling.beta_fast)), 0)
    high = min(math.ceil(border(scaling.beta_slow)), head_dim - 1)
    past = (np.arange(head_dim // 2) - low) / max(high - low, 1e-3)
    return np.asarray(1 - np.clip(past, 0, 1))


def bands(head_dim: int, base: float, scaling: RopeScaling) -> Counts:
    """How many pairs YaRN keeps, joins by the ramp and divides.

    >>> bands(64, 1e6, RopeScaling("yarn", 16, 2048))
    {'kept': 6, 'ramp': 8, 'divided': 18}
    """
    share = kept_share(head_dim, base, scaling)
    kept, divided = int((share == 1).sum()), int((share == 0).sum())
    return {"kept": kept, "ramp": len(share) - kept - divided, "divided": divided}


def temperature(scaling: RopeScaling) -> Numbers:
    """The factor on cos and sin, and what it makes of logits."""
    factor = scaling.attention_factor
    if factor is None:
        factor = 0.1 * math.log(scaling.factor) + 1 if scaling.kind == "yarn" else 1.0
    return {"factor": factor, "logits": factor**2}


def read_scaling(text: str, original: int, base: float) -> RopeScaling | None:
    """The scaling that a `rope_scaling` dictionary in JSON asks for; None for "default" or nothing.

    Read as transformers does: `original` is YaRN's original length where the dictionary names none, and a
    `rope_theta` in it must be `base`. Raises ConfigError with one sentence.
    """
    if not text.strip():
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise ConfigError(
            "The dictionary is not readable; write it as in a config.json, "
            "with rope_type linear, ntk or yarn.",
            key="q07.scaling.unreadable",
        )
    theta = data.pop("rope_theta", None)
    if theta is not None and theta != base:
        raise ConfigError(
            f"The dictionary's rope_theta is {theta!r:.40} and the base is {base:g}; set them to the same.",
            key="q07.scaling.theta",
            theta=f"{theta!r:.40}",
            base=base,
        )
    return read_rope_dictionary(data, original, KINDS_HERE)
