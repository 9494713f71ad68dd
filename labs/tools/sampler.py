"""The sampler's settings as fields: the same limits and sentences in every lab that writes text. No torch.

    @dataclass(frozen=True)
    class TextParams(Params):
        temperature: float = temperature(1.0)
        top_p: float = top_p(view=True)
        ...
    settings(TextParams(), seed=7)          # what the core samples with

A field's label is its own name unless `label` is given. `labs/en.toml` has words for them, a lab may have
its own; sentences in other languages stand in the lab's `errors_zh.toml`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from labs.contract import Params, real, whole
from minimind_core.decoding.sampling_params import SamplingParams

MAX_SEED = 2**31 - 1


def temperature(default: float = 0.8, **options: Any) -> Any:
    """0 is greedy."""
    sentence = "Negative temperature would favour the worst tokens."
    return real(default, 0, 3, step=0.05, primary=True, low_sentence=sentence, **options)


def top_p(**options: Any) -> Any:
    """1 keeps all."""
    sentence = "Top-p must be in (0, 1]."
    return real(0.9, 0, 1, above_minimum=True, step=0.01, primary=True, sentence=sentence, **options)


def top_k(**options: Any) -> Any:
    """0 keeps all."""
    return whole(0, 0, 6400, unit="tokens", **options)


def min_p(**options: Any) -> Any:
    """0 keeps all."""
    return real(0.0, 0, 1, step=0.01, sentence="Min-p must be in [0, 1]; 0 keeps all tokens.", **options)


def repetition_penalty(**options: Any) -> Any:
    """1 is off."""
    return real(1.0, 1, 2, step=0.05, **options)


def seed(**options: Any) -> Any:
    """The same seed and settings give the same text on the same device."""
    return whole(0, 0, MAX_SEED, **options)


def settings(params: Params, seed: int) -> SamplingParams:
    """The fields of `params` that are the core's settings, and a seed."""
    known = {field.name for field in dataclasses.fields(SamplingParams)} - {"seed"}
    return SamplingParams(
        **{name: value for name, value in params.to_dict().items() if name in known}, seed=seed
    )
