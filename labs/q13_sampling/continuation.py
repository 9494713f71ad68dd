"""A whole continuation: the model writes on, token by token, with the sampler's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from labs.contract import Context, DeviceClass, Experiment, Figure, Params, Shown, Words, table, text, whole
from labs.q13_sampling.next_token import PROMPT
from labs.q13_sampling.texts import visible
from labs.tools.budgets import PerDevice
from labs.tools.sampler import min_p, repetition_penalty, seed, settings, temperature, top_k, top_p
from labs.tools.writing import prompt_seconds, write_one


@dataclass(frozen=True)
class ContinuationParams(Params):
    """What a text is written with."""

    prompt: str = text(PROMPT, primary=True)
    temperature: float = temperature()
    top_p: float = top_p()
    top_k: int = top_k()
    min_p: float = min_p()
    repetition_penalty: float = repetition_penalty()
    seed: int = seed()
    max_new_tokens: int = whole(40, 1, 400, unit="tokens")


class Step(TypedDict):
    """One token. `text` is what became readable with it; a character may need several tokens."""

    token: str
    text: str
    kept: int
    """Tokens that the settings left to choose from."""
    entropy: float
    """Of that choice, in nats."""


class ContinuationResult(TypedDict):
    """The text after the prompt, and its tokens."""

    text: str
    steps: list[Step]


class Continuation(Experiment[ContinuationParams, ContinuationResult]):
    """One sampled text, and how many tokens there were to choose from at each step."""

    keep = False

    def seconds(self, params: ContinuationParams, device: DeviceClass) -> float:
        """The prompt is read, then one forward pass a token."""
        writing = params.max_new_tokens * PerDevice(cpu=0.02, cuda=0.003).on(device)
        return prompt_seconds(params.prompt, device) + writing

    def measure(self, params: ContinuationParams, ctx: Context) -> ContinuationResult:
        """Emits each step as soon as its token is chosen."""
        from minimind_core.decoding.text_reader import TextReader

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        reader = TextReader(loaded.tokenizer)
        ids: list[int] = []
        steps: list[Step] = []
        prompt_ids = loaded.prompt_ids(params.prompt)
        for token in write_one(loaded, prompt_ids, settings(params, params.seed), params.max_new_tokens, ctx):
            piece = reader.read(token.id)
            step: Step = {
                "token": piece["token"],
                "text": piece["text"],
                "kept": token.kept,
                "entropy": token.entropy,
            }
            ids.append(token.id)
            steps.append(step)
            ctx.emit(step)
        return {"text": loaded.tokenizer.decode(ids), "steps": steps}

    def show(self, result: ContinuationResult, text: Words) -> Shown:
        """How many tokens the settings left at each step, and how unsure that choice was."""
        steps = result["steps"]
        along, labels = range(1, len(steps) + 1), [visible(step["token"]) for step in steps]
        columns = {
            text("axis.step"): along,
            text("number"): labels,
            text("axis.kept"): [step["kept"] for step in steps],
            text("axis.entropy"): [step["entropy"] for step in steps],
        }
        figures = {}
        for name, scale in (("kept", "log"), ("entropy", "linear")):
            title, hover = text(f"axis.{name}"), "%{customdata}<br>%{y:.4g}"
            figures[name] = figure = Figure()
            figure.line(
                along, columns[title], "measured", mode="lines+markers", customdata=labels, hover=hover
            )
            figure.x_axis(text("axis.step"))
            figure.y_axis(title, type=scale)
        return Shown(figures, table(columns))
