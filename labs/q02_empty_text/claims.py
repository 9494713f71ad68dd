"""The claims of Question 2 that follow from counting and arithmetic. The others: `claims_core.py`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from functools import partial

import numpy as np
from numpy.typing import NDArray

from labs.claims.checks import Check, Finding, given_whole
from minimind_core.tokenizer import SPECIAL_TOKENS, load_tokenizer
from questions import load_question

QUESTION = load_question("q02_empty_text")
given = partial(given_whole, QUESTION)


def given_rate(name: str) -> float:
    """One of the problem's own shares."""
    value = QUESTION.given[name]
    assert isinstance(value, Decimal)
    return float(value)


def targets(ids: Sequence[int], pad_id: int) -> int:
    """Targets after the shift that are not padding."""
    return sum(target != pad_id for target in ids[1:])


def empty_text() -> dict[str, int]:
    """Targets of the empty text as the tokenizer leaves it, and between BOS and EOS."""
    tokenizer = load_tokenizer("6.4k")
    ids = tokenizer.encode("")
    return {
        "bare": targets(ids, tokenizer.pad_id),
        "with_specials": targets([tokenizer.bos_id, *ids, tokenizer.eos_id], tokenizer.pad_id),
    }


def where_the_mean_ends() -> dict[str, str]:
    """The masked mean with one empty row and with all empty, and the mean of the rows' means with one."""
    losses = np.random.default_rng(0).uniform(5, 9, (given("rows"), given("length")))
    mask = np.ones_like(losses)
    mask[1] = 0
    empty = np.zeros_like(mask)
    with np.errstate(invalid="ignore"):
        seen = {
            "one_of_four": (losses * mask).sum() / mask.sum(),
            "all": (losses * empty).sum() / empty.sum(),
            "per_sample": ((losses * mask).sum(1) / mask.sum(1)).mean(),
        }
    return {name: "finite" if math.isfinite(loss) else "nan" for name, loss in seen.items()}


def strip_filter() -> dict[str, int | bool]:
    """Targets of texts that a strip test keeps; the last is read by a tokenizer that obeys specials."""
    tokenizer = load_tokenizer("6.4k")
    texts = {"character": "好", "full_stop": "。", "literal_padding": SPECIAL_TOKENS[0] * 3}
    assert all(text.strip() for text in texts.values())
    counts = {
        name: targets(tokenizer.encode(text, allow_special=True), tokenizer.pad_id)
        for name, text in texts.items()
    }
    return {**counts, "zero_width_survives": "\u200b".strip() != ""}


def average_with_nan() -> Finding:
    """What an averaging all-reduce leaves of one NaN among good gradients."""
    gradients = np.ones((given("rows"), 6))
    gradients[2] = np.nan
    average = gradients.mean(0)
    return Finding(bool(np.isnan(average).all()), {"nan": int(np.isnan(average).sum())})


def chances() -> dict[str, float]:
    """Of an all-empty batch, large and of one row; of an optimizer step that meets one."""
    rate, micro = given_rate("rate"), given_rate("micro_rate")
    return {
        "full_batch": rate ** given("batch"),
        "single": rate,
        "step": 1 - (1 - micro) ** given("micro_batches"),
    }


def bucketed() -> dict[str, int]:
    """Batches without a target when the rows are sorted by length, shortest first and longest first."""
    random = np.random.default_rng(0)
    lengths = random.integers(5, 200, given("corpus"))
    lengths[random.choice(given("corpus"), given("empty"), replace=False)] = 0
    shortest_first = np.sort(lengths)
    orders = {"ascending": shortest_first, "descending": shortest_first[::-1]}
    empty = {name: _empty_batches(rows) for name, rows in orders.items()}
    assert empty["ascending"][0] == 0, "it would not be the first"
    assert empty["descending"][-1] == (given("corpus") - 1) // given("batch"), "they would not be the last"
    return {name: len(places) for name, places in empty.items()}


def half_precision() -> dict[str, float]:
    """What FP16 makes of 1e-8, its smallest positive number, and where counting by ones ends in it."""
    count = np.float16(0)
    while np.float16(count + np.float16(1)) > count:
        count = np.float16(count + np.float16(1))
    return {
        "in_fp16": float(np.float16(1e-8)),
        "smallest": float(np.finfo(np.float16).smallest_subnormal),
        "counts_up_to": int(count),
    }


def row_without_tokens() -> dict[str, object]:
    """Offsets of rows of which one is empty, and a softmax over no key."""
    with np.errstate(invalid="ignore"):
        scores = np.full(4, -np.inf)
        weights = np.exp(scores - scores.max())
    return {
        "offsets": [0, *np.cumsum([3, 0, 5]).tolist()],
        "softmax": "nan" if np.isnan(weights).all() else "finite",
    }


def one_denominator() -> dict[str, str]:
    """A step of which one micro-batch is empty: divided by the step's count, and each by its own."""
    random = np.random.default_rng(0)
    losses = random.uniform(5, 9, (given("micro_batches"), given("length")))
    mask = np.ones_like(losses)
    mask[2] = 0
    with np.errstate(invalid="ignore"):
        seen = {
            "step": float((losses * mask).sum() / mask.sum()),
            "micro_batch": float(((losses * mask).sum(1) / mask.sum(1)).mean()),
        }
    return {name: "finite" if math.isfinite(loss) else "nan" for name, loss in seen.items()}


def _empty_batches(lengths: NDArray[np.int64]) -> list[int]:
    starts = range(0, len(lengths), given("batch"))
    return [place for place, start in enumerate(starts) if not lengths[start : start + given("batch")].any()]


CHECKS: dict[str, Check] = {
    "Q2-C1": empty_text,
    "Q2-C2": where_the_mean_ends,
    "Q2-C8": strip_filter,
    "Q2-C13": average_with_nan,
    "Q2-C16": chances,
    "Q2-C17": bucketed,
    "Q2-C21": half_precision,
    "Q2-C22": row_without_tokens,
    "Q2-C24": one_denominator,
}
