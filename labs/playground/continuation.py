"""A continuation of any prompt, and of every token what it was chosen from."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, cast

from labs.contract import Context, DeviceClass, Experiment, Params, text, whole
from labs.playground.branches import Step
from labs.tools.budgets import PerDevice
from labs.tools.sampler import min_p, repetition_penalty, seed, settings, temperature, top_k, top_p
from labs.tools.writing import prompt_seconds, write_one
from minimind_core.files.checkpoint_config import WEIGHTS_FOLDER

if TYPE_CHECKING:
    from minimind_core.decoding.stream import StreamedToken
    from minimind_core.decoding.text_reader import TextReader
    from minimind_core.files.checkpoint import LoadedModel

MAX_PROMPT = 8000
"""Characters; several times the trained length of every shipped model."""
ALTERNATIVES = 6


@dataclass(frozen=True)
class ContinuationParams(Params):
    """One text. The same settings and seed give the same text on the same device."""

    prompt: str = text("Once upon a time", max_length=MAX_PROMPT, primary=True)
    temperature: float = temperature()
    top_p: float = top_p()
    max_new_tokens: int = whole(120, 1, 1000, unit="tokens")
    top_k: int = top_k()
    min_p: float = min_p()
    repetition_penalty: float = repetition_penalty()
    seed: int = seed()


class About(TypedDict):
    """What a run says of itself before its first token."""

    model: str
    checkpoint: str
    """What `load_model` takes to find the model again."""
    device: str
    dtype: str
    prompt_tokens: int
    trained_length: int


class ContinuationResult(TypedDict):
    """The text after the prompt, and its tokens."""

    about: About
    steps: list[Step]
    text: str
    ended: bool
    """The model ended the text itself."""
    tokens_per_second: float
    way: str
    """How its tokens were made on this device (`minimind_core.decoding.step.Way`)."""


class Continuation(Experiment[ContinuationParams, ContinuationResult]):
    """One sampled text, each token with its alternatives. The page draws it as it comes."""

    keep = False

    def seconds(self, params: ContinuationParams, device: DeviceClass) -> float:
        """The prompt is read, then one forward pass a token."""
        return (
            0.1
            + prompt_seconds(params.prompt, device)
            + params.max_new_tokens * PerDevice(cpu=0.015, cuda=0.003).on(device)
        )

    def measure(self, params: ContinuationParams, ctx: Context) -> ContinuationResult:
        """Emits `about`, then each step as soon as its token is chosen."""
        from minimind_core.decoding.text_reader import TextReader

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        prompt_ids = loaded.prompt_ids(params.prompt)
        about: About = {
            "model": loaded.name,
            "checkpoint": _checkpoint(loaded),
            "device": ctx.device,
            "dtype": ctx.dtype,
            "prompt_tokens": len(prompt_ids),
            "trained_length": loaded.config.max_length,
        }
        ctx.emit({"about": about})
        reader = TextReader(loaded.tokenizer)
        steps, ways = list[Step](), list[str]()
        began = time.perf_counter()
        sampling, most = settings(params, params.seed), params.max_new_tokens
        for token in write_one(loaded, prompt_ids, sampling, most, ctx, ALTERNATIVES, ways.append):
            steps.append(_step(token, reader))
            ctx.emit(steps[-1])
        seconds = time.perf_counter() - began
        ids = [step["id"] for step in steps]
        return {
            "about": about,
            "steps": steps,
            "text": loaded.tokenizer.decode(ids),
            "ended": ids[-1] == loaded.config.eos_id,
            "tokens_per_second": len(ids) / seconds,
            "way": ways[0],
        }


def _checkpoint(loaded: LoadedModel) -> str:
    """What `load_model` takes to find it again: the name where it is a shipped one, else its path."""
    return loaded.path.name if loaded.path.parent == WEIGHTS_FOLDER else str(loaded.path)


def _step(token: StreamedToken, reader: TextReader) -> Step:
    """The alternatives are read before the token itself: each continues the same text."""
    alternatives = [
        {**reader.peek(other), "probability": own, "filtered": filtered}
        for (other, own), filtered in zip(token.alternatives, token.filtered_alternatives, strict=True)
    ]
    step = {
        **reader.read(token.id),
        "probability": token.probability,
        "filtered": token.filtered_probability,
        "rank": token.rank,
        "kept": token.kept,
        "alternatives": alternatives,
    }
    return cast(Step, step)
