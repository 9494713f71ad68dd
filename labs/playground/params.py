"""What can be set in the playground: the prompt and every setting of the sampler."""

from __future__ import annotations

from dataclasses import dataclass

from labs.fields import Params, real, text, whole

MAX_PROMPT = 8000
"""Characters; several times the trained length of every shipped model."""
MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class ContinuationParams(Params):
    """One text. The same settings and seed give the same text on the same device."""

    prompt: str = text("Once upon a time", max_length=MAX_PROMPT, label="playground.prompt", primary=True)
    temperature: float = real(0.8, 0, 3, step=0.05, label="playground.temperature", primary=True,
                              low_sentence="Negative temperature would favour the worst tokens.")
    top_p: float = real(0.9, 0, 1, above_minimum=True, step=0.01, label="playground.top_p", primary=True,
                        sentence="Top-p must be in (0, 1].")
    max_new_tokens: int = whole(120, 1, 1000, label="playground.max_new_tokens", unit="tokens")
    top_k: int = whole(0, 0, 6400, label="playground.top_k")
    min_p: float = real(0.0, 0, 1, step=0.01, label="playground.min_p",
                        sentence="Min-p must be in [0, 1]; 0 keeps all tokens.")
    repetition_penalty: float = real(1.0, 1, 2, step=0.05, label="playground.repetition_penalty")
    seed: int = whole(0, 0, MAX_SEED, label="playground.seed")
