"""The claims of Question 1 that follow from counting, recomputed. Its other claims: `claims_core.py`.

Written out with lists rather than with `minimind_core.training.data`, so that the two can disagree.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from labs.claims.checks import Check, Finding, given_whole
from minimind_core.tokenizer import load_tokenizer
from questions import load_question

QUESTION = load_question("q01_loss_mask")
given = partial(given_whole, QUESTION)
TOKENIZERS = ("1k", "6.4k", "16k", "32k", "64k", "100k")


def given_list(name: str) -> list[float]:
    """One of the problem's own lists."""
    values = QUESTION.given[name]
    assert isinstance(values, tuple)
    return [float(value) for value in values]  # type: ignore[arg-type]


def sentence() -> str:
    """The problem's sentence."""
    value = QUESTION.given["sentence"]
    assert isinstance(value, str)
    return value


def masks(rows: Sequence[Sequence[float]]) -> list[list[int]]:
    """Ones on real ids and zeros on padding, all rows as long as the longest."""
    width = max(len(row) for row in rows)
    return [[1] * len(row) + [0] * (width - len(row)) for row in rows]


def pairs() -> int:
    """Pairs of input and target in a row of the given length."""
    ids = list(range(given("length")))
    return len(list(itertools.pairwise(ids)))


def added_by_the_tokenizer() -> dict[str, int | bool]:
    """What our tokenizer makes of nothing, and whether a sentence ends in EOS."""
    tokenizer = load_tokenizer("6.4k")
    return {
        "ids_of_empty_text": len(tokenizer.encode("")),
        "ends_in_eos": tokenizer.encode(sentence())[-1] == tokenizer.eos_id,
    }


def sentence_lengths() -> dict[str, int]:
    """Tokens of the sentence with three of the shipped tokenizers."""
    names = {"smallest": "1k", "ours": "6.4k", "largest": "100k"}
    return {key: len(load_tokenizer(name).encode(sentence())) for key, name in names.items()}


def alignment() -> dict[str, int]:
    """Pairs of the batch, and those kept by a mask that is shifted with Y or left with X."""
    rows = masks([given_list("short"), given_list("long")])
    return {
        "pairs": sum(len(row) - 1 for row in rows),
        "with_y": sum(sum(row[1:]) for row in rows),
        "with_x": sum(sum(row[:-1]) for row in rows),
    }


def mixture() -> Finding:
    """The mean over everything against the means weighted by their counts, and where padding ends up free."""
    random = np.random.default_rng(0)
    text, padding = random.uniform(3, 8, 37), random.uniform(0, 0.1, 91)
    share = len(text) / (len(text) + len(padding))
    everything = float(np.concatenate([text, padding]).mean())
    weighted = share * text.mean() + (1 - share) * padding.mean()
    free = float(np.concatenate([text, 0 * padding]).mean())
    return Finding(
        math.isclose(everything, weighted, rel_tol=1e-12)
        and math.isclose(free, share * text.mean(), rel_tol=1e-12)
        and free < everything < text.mean(),
        {"all": everything, "weighted": float(weighted), "free_padding": free, "share": share},
    )


def mask_after_mean() -> dict[str, float]:
    """The masked mean; the same formula on a loss already averaged; the unmasked mean."""
    losses, mask = given_list("losses"), given_list("loss_mask")
    mean = sum(losses) / len(losses)

    def masked(values: Sequence[float]) -> float:
        return sum(value * kept for value, kept in zip(values, mask, strict=True)) / sum(mask)

    return {"masked": masked(losses), "after_mean": masked([mean] * len(mask)), "unmasked": mean}


def special_ids() -> dict[str, int]:
    """PAD, BOS and EOS, the same in every shipped tokenizer."""
    found = {(t.pad_id, t.bos_id, t.eos_id) for t in map(load_tokenizer, TOKENIZERS)}
    assert len(found) == 1, found
    return dict(zip(("pad", "bos", "eos"), found.pop(), strict=True))


def pad_is_eos() -> dict[str, int]:
    """Targets of the short text between BOS and EOS, padded with EOS, by length and by id."""
    bos, eos = -1.0, -2.0
    row = [bos, *given_list("short"), eos]
    padded = row + [eos] * 3
    return {"by_length": len(row) - 1, "by_id": sum(target != eos for target in padded[1:])}


def batch_means() -> dict[str, float]:
    """The mean over all tokens and the mean of the samples' means."""
    counts, losses = given_list("sample_tokens"), given_list("sample_losses")
    total = sum(count * loss for count, loss in zip(counts, losses, strict=True))
    return {"per_token": total / sum(counts), "per_sample": sum(losses) / len(losses)}


def utilisation() -> dict[str, float]:
    """Percent of a row's targets that are real."""
    real = given("text_tokens") - 1
    return {"small": 100 * real / (given("small_length") - 1), "full": 100 * real / (given("length") - 1)}


def kinds_of_pairs() -> dict[str, int]:
    """Pairs inside the text, from text to padding, and inside the padding."""
    [row, _] = masks([[0] * given("text_tokens"), [0] * given("length")])
    steps = list(itertools.pairwise(row))
    return {
        "pairs": len(steps),
        "text": steps.count((1, 1)),
        "boundary": steps.count((1, 0)),
        "padding": steps.count((0, 0)),
    }


def experts_and_padding() -> dict[str, str | bool]:
    """Switch's balancing loss with and without padding, and an expert with room for its share of the batch.

    The first row is half padding, and all padding is alike, so it wants one expert.
    """
    random, experts = np.random.default_rng(0), 4
    logits = random.normal(size=(24, experts))  # [tokens, experts]
    padding = np.zeros(len(logits), dtype=bool)
    padding[6:12] = True
    logits[padding] = [3, 0, 0, 0]
    logits[12:18, 0] = 5  # real tokens of the second row that want the same expert
    chosen = logits.argmax(1)

    def balance(kept: NDArray[np.bool_]) -> float:
        shares = np.bincount(chosen[kept], minlength=experts) / kept.sum()
        odds = np.exp(logits[kept]) / np.exp(logits[kept]).sum(1, keepdims=True)
        return float(experts * shares @ odds.mean(0))

    def served(kept: NDArray[np.bool_]) -> int:
        """Real tokens that find a place when each expert takes its share of the batch in order."""
        capacity = len(logits) // experts
        queues = [np.flatnonzero(kept & (chosen == expert))[:capacity] for expert in range(experts)]
        return int(sum((~padding[queue]).sum() for queue in queues))

    everything = np.ones_like(padding)
    changed = not math.isclose(balance(everything), balance(~padding), rel_tol=1e-3)
    return {
        "balance_loss": "changed" if changed else "unchanged",
        "real_tokens_dropped": served(everything) < served(~padding),
    }


def one_id_more() -> dict[str, int]:
    """Positions of a row with one id more than the given length, and of the given length."""
    stored = given("length") + 1
    return {"stored": stored, "positions": len(list(itertools.pairwise(range(stored)))), "without": pairs()}


def packed() -> dict[str, int]:
    """Pairs of both texts between BOS and EOS, end to end, and how many of them stay inside a text."""
    texts = [given_list("short"), given_list("long")]
    owners = [number for number, text in enumerate(texts) for _ in range(len(text) + 2)]
    steps = list(itertools.pairwise(owners))
    inside = sum(one == other for one, other in steps)
    return {"pairs": len(steps), "real": inside, "crossing": len(steps) - inside}


CHECKS: dict[str, Check] = {
    "Q1-C1": pairs,
    "Q1-C3": added_by_the_tokenizer,
    "Q1-C4": sentence_lengths,
    "Q1-C6": alignment,
    "Q1-C9": mixture,
    "Q1-C10": mask_after_mean,
    "Q1-C11": special_ids,
    "Q1-C13": pad_is_eos,
    "Q1-C15": batch_means,
    "Q1-C16": utilisation,
    "Q1-C19": kinds_of_pairs,
    "Q1-C22": experts_and_padding,
    "Q1-C23": one_id_more,
    "Q1-C24": packed,
}
