"""What can be set in the playground: the prompt and every setting of the sampler."""

from __future__ import annotations

from dataclasses import dataclass

from labs.contract import Params, text, whole
from labs.tools.sampler import min_p, repetition_penalty, temperature, top_k, top_p

MAX_PROMPT = 8000
"""Characters; several times the trained length of every shipped model."""
MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class ContinuationParams(Params):
    """One text. The same settings and seed give the same text on the same device."""

    prompt: str = text("Once upon a time", max_length=MAX_PROMPT, label="playground.prompt", primary=True)
    temperature: float = temperature("playground.temperature")
    top_p: float = top_p("playground.top_p")
    max_new_tokens: int = whole(120, 1, 1000, label="playground.max_new_tokens", unit="tokens")
    top_k: int = top_k("playground.top_k")
    min_p: float = min_p("playground.min_p")
    repetition_penalty: float = repetition_penalty("playground.repetition_penalty")
    seed: int = whole(0, 0, MAX_SEED, label="playground.seed")
