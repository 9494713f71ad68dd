"""The claims of Question 13 about code and draws, run on the real core. Imports torch."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from labs.claims.checks import CannotCheck, Check, Finding
from labs.contract import DEFAULT_MODEL
from labs.q13_sampling.bugs import attempt, circulating_function
from labs.q13_sampling.claims import given
from labs.q13_sampling.next_token import PROMPT
from minimind_core.decoding.sampling import filter_logits, sample
from minimind_core.errors import CheckpointError
from minimind_core.files.checkpoint import load_model

DRAWS = 100_000


def batched_bug() -> dict[str, str]:
    """What becomes of one, two and eight rows of 6400 ids, and of six rows of six; a vector works."""
    random = torch.Generator().manual_seed(0)
    assert _outcome(torch.randn(6400, generator=random)) == "numbers"
    rows = {"one_row": 1, "two_rows": 2, "eight_rows": 8}
    every_id_is_last_once = -10 * torch.eye(6)
    return {
        **{name: _outcome(torch.randn(count, 6400, generator=random)) for name, count in rows.items()},
        "six_rows_of_six": _outcome(every_id_is_last_once),
    }


def zero_temperature() -> dict[str, str]:
    """Dividing by 0, drawing from the result, our core at 0, and a tiny temperature on FP16 logits."""
    logits = _given_logits()
    divided, outcome, _ = attempt(torch.softmax, logits / 0.0, -1)
    greedy = filter_logits(logits, temperature=0)
    return {
        "divided": outcome,
        "multinomial": attempt(torch.multinomial, divided, 1)[1],
        "core": "argmax" if greedy[logits.argmax()] == 1 and greedy.sum() == 1 else "something else",
        "tiny_fp16": "inf" if math.isinf((logits.half() / 1e-8).max()) else "finite",
    }


def drawn_frequencies() -> list[float]:
    """Shares of the kept tokens in many draws of the core at p = 0.9."""
    probabilities = filter_logits(_given_logits(), top_p=0.9)
    rows = probabilities.expand(DRAWS, -1)
    counts = sample(rows, torch.Generator().manual_seed(0)).bincount(minlength=len(probabilities))
    kept = probabilities > 0
    assert counts[~kept].sum() == 0, "a removed token was drawn"
    return [float(share) for share in counts[kept] / DRAWS]


def nucleus_grows() -> Finding:
    """Tokens kept at p = 0.9 after the default prompt, and the entropy, at T = 0.5, 1, 2."""
    try:
        loaded = load_model(DEFAULT_MODEL)
    except CheckpointError as error:
        raise CannotCheck(str(error), key=error.key, **error.values) from error
    ids = loaded.prompt_ids(PROMPT)
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([ids]))[0, -1]
    kept, entropies = [], []
    for temperature in (0.5, 1.0, 2.0):
        kept.append(int((filter_logits(logits, temperature, top_p=0.9) > 0).sum()))
        entropies.append(float(torch.special.entr(filter_logits(logits, temperature)).sum()))
    rises = entropies[0] < entropies[1] < entropies[2] < math.log(len(logits))
    return Finding(kept[0] <= kept[1] < kept[2] and rises, {"kept": kept, "entropies": entropies})


def rejected_zero() -> str:
    """What transformers says to a temperature of 0."""
    try:
        from transformers.generation.logits_process import TemperatureLogitsWarper
    except ImportError as error:
        raise CannotCheck("transformers is not installed here.", key="q13.no_transformers") from error
    try:
        TemperatureLogitsWarper(0.0)
    except ValueError as error:
        return type(error).__name__
    return "nothing"


def careless_ends() -> dict[str, Any]:
    """What a bare comparison of the mass ahead with p removes at p = 1, and keeps at p = 0."""
    peaked = 3 * torch.randn(20, 6400, generator=torch.Generator().manual_seed(0))
    ordered = peaked.softmax(-1).sort(-1, descending=True).values  # [20, 6400]
    ahead = ordered.cumsum(-1) - ordered
    assert (filter_logits(peaked, top_p=1.0) > 0).all()
    return {"removes_at_one": bool((ahead >= 1).any()), "keeps_at_zero": int((ahead < 0).sum())}


def _outcome(logits: Tensor) -> str:
    return attempt(circulating_function, logits, 0.8, 0.9)[1]


def _given_logits() -> Tensor:
    values: list[Any] = given("logits")
    return torch.tensor([float(value) for value in values])


CHECKS: dict[str, Check] = {
    "Q13-C13": batched_bug,
    "Q13-C14": zero_temperature,
    "Q13-C19": drawn_frequencies,
    "Q13-C23": nucleus_grows,
    "Q13-C24": rejected_zero,
    "Q13-C29": careless_ends,
}
