"""The sampler's settings as fields, the same limits and sentences in every lab that writes text. No torch.

    @dataclass(frozen=True)
    class TextParams(Params):
        temperature: float = temperature("q13.temperature")
        …
    settings(TextParams(), seed=7)          # what the core samples with

The words for a label, and in other languages the sentences, are the lab's own.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from labs.contract import Params, real, whole
from minimind_core.decoding.sampling_params import SamplingParams


def temperature(label: str, default: float = 0.8, **options: Any) -> Any:
    """0 is greedy."""
    return real(
        default,
        0,
        3,
        step=0.05,
        label=label,
        primary=True,
        low_sentence="Negative temperature would favour the worst tokens.",
        **options,
    )


def top_p(label: str, **options: Any) -> Any:
    """1 keeps all."""
    return real(
        0.9,
        0,
        1,
        above_minimum=True,
        step=0.01,
        label=label,
        primary=True,
        sentence="Top-p must be in (0, 1].",
        **options,
    )


def top_k(label: str, **options: Any) -> Any:
    """0 keeps all."""
    return whole(0, 0, 6400, label=label, unit="tokens", **options)


def min_p(label: str, **options: Any) -> Any:
    """0 keeps all."""
    return real(
        0.0, 0, 1, step=0.01, label=label, sentence="Min-p must be in [0, 1]; 0 keeps all tokens.", **options
    )


def repetition_penalty(label: str, **options: Any) -> Any:
    """1 is off."""
    return real(1.0, 1, 2, step=0.05, label=label, **options)


def settings(params: Params, seed: int) -> SamplingParams:
    """The fields of `params` that are the core's settings, and a seed."""
    held = {spec.name for spec in params.specs()}
    names = [field.name for field in dataclasses.fields(SamplingParams) if field.name in held - {"seed"}]
    return SamplingParams(**{name: getattr(params, name) for name in names}, seed=seed)
