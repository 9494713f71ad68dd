"""The model's next token: the prompt is read once, and every setting acts on the same logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict, cast, get_args

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Shown, Words, choice, order, real, text
from labs.q13_sampling.candidates import DTYPES, Candidates, bars, candidates
from labs.q13_sampling.filters import DEFAULT_ORDER, BoundaryRule, Stage, filter_chain, penalize, softmax
from labs.q13_sampling.texts import visible
from labs.tools.budgets import PerDevice
from labs.tools.sampler import min_p, repetition_penalty, temperature, top_k, top_p
from labs.tools.writing import prompt_seconds

PROMPT = "今天天气"
CANDIDATES = 256
"""Most likely tokens that come with their text."""


@dataclass(frozen=True)
class NextTokenParams(Params):
    """Only the prompt needs the model; the rest refilters its logits."""

    prompt: str = text(PROMPT, primary=True)
    temperature: float = temperature(view=True)
    top_p: float = top_p(view=True)
    top_k: int = top_k(view=True)
    min_p: float = min_p(view=True)
    repetition_penalty: float = repetition_penalty(view=True)
    typical_p: float = real(
        1.0,
        0,
        1,
        above_minimum=True,
        step=0.01,
        view=True,
        sentence="Typical-p must be in (0, 1]; 1 keeps all tokens.",
    )
    rule: str = choice("definition", get_args(BoundaryRule), view=True)
    order: str = order(*DEFAULT_ORDER, view=True)
    dtype: str = choice("float64", DTYPES, view=True)


class NextTokenResult(TypedDict):
    """Logits of the token after the prompt of T tokens, and the texts of the N most likely ones."""

    prompt_ids: NDArray[np.int32]
    logits: NDArray[np.float32]
    candidate_ids: NDArray[np.int32]
    candidate_texts: list[str]
    vocab_size: int
    empty_prompt: bool
    beyond_trained_length: bool
    trained_length: int
    view: NotRequired[Candidates]


class NextToken(Experiment[NextTokenParams, NextTokenResult]):
    """Which tokens may follow a prompt, and what each setting of the sampler leaves of them."""

    id = "q13/next_token"

    def seconds(self, params: NextTokenParams, device: DeviceClass) -> float:
        """One forward pass."""
        return PerDevice(cpu=0.2, cuda=0.05).on(device) + prompt_seconds(params.prompt, device)

    def measure(self, params: NextTokenParams, ctx: Context) -> NextTokenResult:
        """Reads the prompt."""
        import torch

        from minimind_core.decoding.generate import check_prompts
        from minimind_core.decoding.sampling import check_logits
        from minimind_core.decoding.step import Step

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        prompt_ids = loaded.prompt_ids(params.prompt)
        check_prompts(loaded.config, [prompt_ids], 1)
        reading = ctx.part(0.3, 1.0, "prompt")
        with torch.inference_mode():
            step = Step(loaded.model, 1, len(prompt_ids))
            logits = step.prefill([prompt_ids], on_progress=lambda done, total: reading(done / total))[0]
            logits = logits.float()  # [V]
            check_logits(logits)
            likely = logits.topk(min(CANDIDATES, len(logits))).indices.tolist()  # [N]
        return {
            "prompt_ids": np.array(prompt_ids, np.int32),
            "logits": logits.cpu().numpy(),
            "candidate_ids": np.array(likely, np.int32),
            "candidate_texts": [loaded.tokenizer.token_text(token) for token in likely],
            "vocab_size": loaded.config.vocab_size,
            "empty_prompt": not params.prompt,
            "beyond_trained_length": len(prompt_ids) > loaded.config.max_length,
            "trained_length": loaded.config.max_length,
        }

    def view(self, params: NextTokenParams, result: NextTokenResult) -> Candidates:
        """The distribution of the measured logits after the settings."""
        logits = result["logits"].astype(np.float64)  # [V]
        seen = np.zeros(len(logits), dtype=bool)
        seen[result["prompt_ids"]] = True
        scores = penalize(logits, seen, params.repetition_penalty)
        filtered = filter_chain(
            scores,
            params.temperature,
            params.top_k,
            params.top_p,
            params.min_p,
            params.typical_p,
            rule=cast(BoundaryRule, params.rule),
            order=cast(list[Stage], params.order.split(",")),
            dtype=np.dtype(params.dtype),
        )
        ids = result["candidate_ids"]
        ranked = np.lexsort((ids, -scores[ids]))
        return candidates(
            ids[ranked],
            [result["candidate_texts"][index] for index in ranked],
            alone=softmax(logits),
            before=filter_chain(scores, params.temperature).probabilities,
            kept=filtered.kept,
            final=filtered.probabilities.astype(np.float64),
        )

    def show(self, result: NextTokenResult, text: Words) -> Shown:
        """The most likely tokens, kept and removed, beside what the model alone gives them."""
        view = result["view"]
        return Shown({"candidates": bars(view, list(map(visible, view["texts"])), text("alone"), text)})
