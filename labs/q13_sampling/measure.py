"""Question 13 on the model: the logits after a prompt, and a sampled continuation told token by token.

Logits are measured once a prompt; what the sliders do to them is `view.py` and `analytic.py`, without
the model. Nothing is drawn or judged here.

Shapes: T prompt tokens, V vocabulary ids, N candidates.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from labs.contract import Context, Result
from labs.q13_sampling.params import ContinuationParams, NextTokenParams
from minimind_core.checkpoint import LoadedModel
from minimind_core.generate import check_prompts, stream
from minimind_core.sampling import check_logits
from minimind_core.sampling_params import SamplingParams

CANDIDATES = 256
"""Most likely tokens that come with their text."""
ALTERNATIVES = 8


def next_token(params: NextTokenParams, ctx: Context) -> Result:
    """Logits of the token after the prompt, float32 [V], and the texts of the most likely ones."""
    ctx.progress(0.0, "Loading the model")
    loaded = ctx.model()
    prompt_ids = _prompt_ids(loaded, params.prompt)
    check_prompts(loaded.config, [prompt_ids], 1)
    ctx.progress(0.3, "Reading the prompt")
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([prompt_ids], device=ctx.device))[0, -1].float()  # [V]
        check_logits(logits)
        candidates = logits.topk(min(CANDIDATES, len(logits))).indices.tolist()  # [N]
    return {
        **_about(loaded, params.prompt, len(prompt_ids)),
        "prompt_ids": np.array(prompt_ids, np.int32),  # [T]
        "prompt_texts": [loaded.tokenizer.token_text(token) for token in prompt_ids],
        "logits": logits.cpu().numpy(),  # [V]
        "candidate_ids": np.array(candidates, np.int32),  # [N]
        "candidate_texts": [loaded.tokenizer.token_text(token) for token in candidates],
    }


def continuation(params: ContinuationParams, ctx: Context) -> Result:
    """A continuation of the prompt. Emits one partial a token:

    {"step", "id", "token", "text" (new readable text), "probability" (before any setting), "kept",
    "entropy" (nats, after the settings), "alternatives": [{"id", "token", "probability"}]}.
    """
    ctx.progress(0.0, "Loading the model")
    loaded = ctx.model()
    prompt_ids = _prompt_ids(loaded, params.prompt)
    settings = SamplingParams(params.temperature, params.top_k, params.top_p, params.min_p,
                              params.repetition_penalty, params.seed)
    reader = TextReader(loaded.tokenizer)
    steps: list[dict[str, Any]] = []
    began = time.perf_counter()
    for token in stream(loaded.model, prompt_ids, settings, params.max_new_tokens,
                        stop_ids=(loaded.config.eos_id,), num_alternatives=ALTERNATIVES):
        ended = token.id == loaded.config.eos_id
        steps.append({
            "step": len(steps), "id": token.id, "token": loaded.tokenizer.token_text(token.id),
            "text": "" if ended else reader.read(token.id), "probability": token.probability,
            "kept": token.kept, "entropy": token.entropy,
            "alternatives": [{"id": other, "token": loaded.tokenizer.token_text(other), "probability": share}
                             for other, share in token.alternatives],
        })
        ctx.emit(steps[-1])
        ctx.progress(len(steps) / params.max_new_tokens, "Writing")
    seconds = time.perf_counter() - began
    ids = [step["id"] for step in steps]
    return {
        **_about(loaded, params.prompt, len(prompt_ids) + len(ids)),
        "notes": settings.notes(loaded.config.vocab_size),
        "text": loaded.tokenizer.decode(ids), "ids": np.array(ids, np.int32), "steps": steps,
        "ended": ids[-1] == loaded.config.eos_id, "device": ctx.device,
        "tokens_per_second": len(ids) / seconds,
    }


class TextReader:
    """Turns ids into text piece by piece; a character whose bytes are still incomplete waits."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._told = 0

    def read(self, token_id: int) -> str:
        """The text that became readable with this token, often one word, sometimes nothing."""
        self._ids.append(token_id)
        text = self._tokenizer.decode(self._ids)
        if text.endswith("\N{REPLACEMENT CHARACTER}"):
            return ""
        piece = text[self._told:]
        self._told = len(text)
        return piece


def _prompt_ids(loaded: LoadedModel, prompt: str) -> list[int]:
    """BOS, as every training document began, and the prompt."""
    return [loaded.config.bos_id, *loaded.tokenizer.encode(prompt)]


def _about(loaded: LoadedModel, prompt: str, length: int) -> Result:
    """What a page may have to say beside any result: the model, and what is unusual about the input."""
    return {"model": loaded.name, "vocab_size": loaded.config.vocab_size, "empty_prompt": not prompt,
            "beyond_trained_length": length > loaded.config.max_length,
            "trained_length": loaded.config.max_length}
