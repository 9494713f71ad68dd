"""Question 13 on the model: the logits after a prompt, and a sampled continuation told token by token.

Logits are measured once a prompt; what the sliders do to them is `view.py` and `analytic.py`, without
the model. Nothing is drawn or judged here. `bugs` runs the mistakes of `broken.py` and tells what came.

Shapes: T prompt tokens, V vocabulary ids, N candidates.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labs.contract.columns import Context, Result
from labs.q13_sampling.broken import (
    Attempt,
    attempt,
    circulating_function,
    divided_penalty,
    normalized_over_batch,
)
from labs.q13_sampling.claims import given
from labs.q13_sampling.gridding import written_cells
from labs.q13_sampling.grids import num_samples, together
from labs.q13_sampling.params import (
    BugsParams,
    ConfidenceParams,
    ContinuationParams,
    GridParams,
    ManualParams,
    NextTokenParams,
    WallParams,
)
from labs.q13_sampling.texts import distinct_pairs, repetition, summary
from labs.q13_sampling.writing import mean_log_probabilities, write
from labs.tools.budgets import device_class
from labs.tools.sampler import settings
from minimind_core.decoding.generate import check_prompts, stream
from minimind_core.decoding.sampling import apply_repetition_penalty, check_logits, filter_logits
from minimind_core.decoding.text_reader import TextReader
from minimind_core.files.checkpoint import LoadedModel

CANDIDATES = 256
"""Most likely tokens that come with their text."""
ALTERNATIVES = 8
SPECIMENS = ("nano-rope-early", "nano-rope", "minimind-26m")
TEXT = (
    "The cat sat by the window and looked at the rain. It was cold outside, so the old woman made a fire "
    "and told the children a story about the sea."
)


def next_token(params: NextTokenParams, ctx: Context) -> Result:
    """Logits of the token after the prompt, float32 [V], and the texts of the most likely ones."""
    ctx.progress(0.0, "Loading the model")
    loaded = ctx.model()
    prompt_ids = loaded.prompt_ids(params.prompt)
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
    prompt_ids = loaded.prompt_ids(params.prompt)
    wanted = settings(params, params.seed)
    reader = TextReader(loaded.tokenizer)
    steps: list[dict[str, Any]] = []
    began = time.perf_counter()
    for token in stream(
        loaded.model,
        prompt_ids,
        wanted,
        params.max_new_tokens,
        stop_ids=(loaded.config.eos_id,),
        num_alternatives=ALTERNATIVES,
    ):
        piece = reader.read(token.id)
        steps.append(
            {
                "step": len(steps),
                "id": token.id,
                "token": piece["token"],
                "text": piece["text"],
                "probability": token.probability,
                "kept": token.kept,
                "entropy": token.entropy,
                "alternatives": [
                    {"id": other, "token": loaded.tokenizer.token_text(other), "probability": share}
                    for other, share in token.alternatives
                ],
            }
        )
        ctx.emit(steps[-1])
        ctx.progress(len(steps) / params.max_new_tokens, "Writing")
    seconds = time.perf_counter() - began
    ids = [step["id"] for step in steps]
    return {
        **_about(loaded, params.prompt, len(prompt_ids) + len(ids)),
        "notes": wanted.notes(loaded.config.vocab_size),
        "text": loaded.tokenizer.decode(ids),
        "ids": np.array(ids, np.int32),
        "steps": steps,
        "ended": ids[-1] == loaded.config.eos_id,
        "device": ctx.device,
        "tokens_per_second": len(ids) / seconds,
    }


def wall(params: WallParams, ctx: Context) -> Result:
    """Many continuations with the same settings, each with its own seed. `samples`, and one partial each:

    {"text", "ended", "distinct", "repetition", "log_probability"}: distinct-2 and seq-rep-4 of the text
    (see texts.py), mean log-probability of a token under the model alone, in nats. The last is missing
    in partials. `distinct` of the result counts the pairs of all texts together.
    """
    loaded = ctx.model()
    prompt_ids = loaded.prompt_ids(params.prompt)
    check_prompts(loaded.config, [prompt_ids], params.max_new_tokens)
    prompts = [prompt_ids] * params.samples
    wanted = [settings(params, params.seed + row) for row in range(params.samples)]
    samples, ids = [], []
    for _, new in write(
        loaded,
        prompts,
        wanted,
        params.max_new_tokens,
        ctx.device,
        lambda fraction: ctx.progress(0.8 * fraction, "Writing"),
    ):
        ended = new[-1] == loaded.config.eos_id
        text = loaded.tokenizer.decode(new[:-1] if ended else new).rstrip("\N{REPLACEMENT CHARACTER}")
        samples.append(
            {"text": text, "ended": ended, "distinct": distinct_pairs([new]), "repetition": repetition(new)}
        )
        ctx.emit(samples[-1])
        ids.append(new)
    likely = mean_log_probabilities(
        loaded, prompts, ids, ctx.device, lambda fraction: ctx.progress(0.8 + 0.2 * fraction, "Scoring")
    )
    for sample, mean in zip(samples, likely, strict=True):
        sample["log_probability"] = mean
    return {
        **_about(loaded, params.prompt, len(prompt_ids) + params.max_new_tokens),
        "samples": samples,
        "notes": wanted[0].notes(loaded.config.vocab_size),
        **summary(samples, ids),
    }


def grid(params: GridParams, ctx: Context) -> Result:
    """Python and prose at every temperature and top-p (see grids.py); emits each cell as it is complete."""
    ctx.progress(0.0, "Loading the model")
    loaded = ctx.model()
    told = []
    for cell in written_cells(params, loaded, ctx):
        ctx.emit(cell)
        told.append(cell)
    return {
        **together(told),
        "model": loaded.name,
        "max_new_tokens": params.max_new_tokens,
        "samples": num_samples(params, device_class(ctx.device)),
    }


def confidence(params: ConfidenceParams, ctx: Context) -> Result:
    """The same text read by a model that has hardly learned, by it when trained, and by the 26M.

    `models` by name: for each token of TEXT `kept` (how many the settings leave), `entropy` (nats, after
    the temperature), `tokens`; `mean_kept`, `median_kept`, `mean_entropy`, `vocab_size`.
    """
    models = {}
    for place, name in enumerate(SPECIMENS):
        ctx.progress(place / len(SPECIMENS), name)
        loaded = ctx.model(name)
        ids = loaded.prompt_ids(TEXT)
        with torch.inference_mode():
            logits = loaded.model(torch.tensor([ids], device=ctx.device))[0, :-1]  # [T, V]
            kept = (filter_logits(logits, params.temperature, top_p=params.top_p) > 0).sum(-1)  # [T]
            spread = torch.special.entr(filter_logits(logits, params.temperature)).sum(-1)  # [T]
        models[name] = {
            "kept": kept.tolist(),
            "entropy": spread.tolist(),
            "vocab_size": loaded.config.vocab_size,
            "tokens": [loaded.tokenizer.token_text(token) for token in ids[1:]],
            "mean_kept": float(kept.float().mean()),
            "median_kept": float(kept.float().quantile(0.5)),
            "mean_entropy": float(spread.mean()),
        }
    return {"models": models}


def manual(_params: ManualParams, _ctx: Context) -> Result:
    """Nothing: typed numbers need no model, so all that happens to them is in view.py."""
    return {"model": None}


def bugs(params: BugsParams, ctx: Context) -> Result:
    """Four mistakes of sampling codes, run on the CPU on any device (see broken.py).

    `cases`, one a call: {"bug", "case", "input" (shape), "outcome" ("numbers", "nan" or an exception's
    name), "said" (its text)}; `row_sums`, the mass of each row of B rows of six ids: 1 where it is right;
    `log_probability_shift`, what the sum over the batch adds to every log-probability (nats).
    """
    cases: list[Result] = []

    def case(bug: str, name: str, call: Callable[..., Tensor], logits: Tensor, *settings: Any) -> Attempt:
        ctx.progress(len(cases) / 10, "Sampling wrongly")
        ended = attempt(call, logits, *settings)
        cases.append(
            {
                "bug": bug,
                "case": name,
                "input": list(logits.shape),
                "outcome": ended.outcome,
                "said": ended.said,
            }
        )
        return ended

    random = torch.Generator().manual_seed(0)
    for name, shape in {"vector": [6400], "one_row": [1, 6400], "eight_rows": [8, 6400]}.items():
        case("index", name, circulating_function, torch.randn(shape, generator=random), 0.8, 0.9)
    logits = -10 * torch.eye(6).repeat(11, 1)[: params.rows]  # [B, 6], each id is the least likely of a row
    case("index", "six_rows", circulating_function, logits[:6], 0.8, 0.9)
    wiped = case("index", "more_rows", circulating_function, logits, 0.8, 0.9)
    shared = case("batch_sum", "more_rows", normalized_over_batch, logits, 0.8, 0.9)
    assert wiped.value is not None and shared.value is not None
    case("index", "draw", _draw, wiped.value)
    right = filter_logits(logits, 0.8, top_p=0.9)  # [B, 6]

    scores, seen = torch.tensor([1.0, 0.0, -2.0]), torch.tensor([False, False, True])
    wrong = case("penalty", "negative", divided_penalty, scores, seen, params.penalty)
    assert wrong.value is not None
    penalized = {
        "before": scores,
        "divided": wrong.value,
        "right": apply_repetition_penalty(scores, seen, params.penalty),
    }

    given_logits = torch.tensor([float(number) for number in given("logits")])
    divided = case("zero", "divided", lambda scores: torch.softmax(scores / 0.0, -1), given_logits)
    assert divided.value is not None
    case("zero", "draw", _draw, divided.value)
    return {
        "cases": cases,
        "rows": params.rows,
        "ran_on": "cpu",
        "row_sums": {"wiped": _sums(wiped.value), "shared": _sums(shared.value), "right": _sums(right)},
        "wiped_rows": int((wiped.value.nan_to_num() == 0).all(-1).sum()),
        "log_probability_shift": float((shared.value / right).nanmean().log()),
        "penalty": {
            "factor": params.penalty,
            "logit": {n: float(s[-1]) for n, s in penalized.items()},
            "probability": {n: float(s.softmax(-1)[-1]) for n, s in penalized.items()},
        },
        "zero": {"divided": divided.value.tolist(), "core": filter_logits(given_logits, 0).tolist()},
    }


def _draw(probabilities: Tensor) -> Tensor:
    return torch.multinomial(probabilities, 1)


def _sums(probabilities: Tensor) -> list[float]:
    return [float(mass) for mass in probabilities.sum(-1)]


def _about(loaded: LoadedModel, prompt: str, length: int) -> Result:
    """What a page may have to say beside any result: the model, and what is unusual about the input."""
    return {
        "model": loaded.name,
        "vocab_size": loaded.config.vocab_size,
        "empty_prompt": not prompt,
        "beyond_trained_length": length > loaded.config.max_length,
        "trained_length": loaded.config.max_length,
    }
