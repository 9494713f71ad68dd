"""The kinds of row that a batch is made of here, what the loader makes of them, and which have a target.

No torch: the formula's side needs them as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from minimind_core.errors import DataError
from minimind_core.tokenizer import SPECIAL_TOKENS, Tokenizer

TEXTS = {
    "empty": "",
    "one_token": "好",
    "zero_width": "\u200b\u200b",
    "blanks": " \n\t ",
    "literal_padding": SPECIAL_TOKENS[0] * 3,
}
"""By kind, as the text stands in the corpus."""
KINDS = (*TEXTS, "cut_answer", "null")
"""`cut_answer` is a fine-tuning row whose prompt fills the context; `null` is no text at all."""
DATASETS = ("bare", "with_specials")
"""Whether the dataset puts BOS and EOS around a text."""
PROMPT_SENTENCE = "Count the words of this sentence. "
"""Repeated, it is the prompt that leaves no room for an answer."""


@dataclass(frozen=True)
class LoadedRow:
    """Ids of at most a context's length, and which of them may be a target: an answer, or all of a text."""

    ids: list[int]
    counts: list[bool]

    def num_targets(self, pad_id: int) -> int:
        """Targets after the shift: ids but the first that count and are not padding."""
        pairs = list(zip(self.ids, self.counts, strict=True))[1:]
        return sum(counts and token != pad_id for token, counts in pairs)


def load_row(text: object, tokenizer: Tokenizer, dataset: str, length: int) -> LoadedRow:
    """What the dataset makes of a text that obeys special tokens in it, cut to `length` + 1 ids.

    Raises DataError for what is no string, as a tokenizer does in the middle of an epoch.
    """
    if not isinstance(text, str):
        kind = type(text).__name__
        raise DataError(
            f"text must be a string, got {kind}: this is exactly the bug; choose how the loader handles it.",
            key="q02.not_a_string",
            kind=kind,
        )
    ids = tokenizer.encode(text, allow_special=True)
    if dataset == "with_specials":
        ids = [tokenizer.bos_id, *ids, tokenizer.eos_id]
    ids = ids[: length + 1]
    return LoadedRow(ids, [True] * len(ids))


def bad_row(kind: str, tokenizer: Tokenizer, dataset: str, length: int) -> LoadedRow:
    """A row of that kind. Raises DataError for `null`."""
    if kind == "null":
        return load_row(None, tokenizer, dataset, length)
    if kind == "cut_answer":
        prompt = load_row(PROMPT_SENTENCE * length, tokenizer, dataset, length)
        return LoadedRow(prompt.ids, [False] * len(prompt.ids))
    return load_row(TEXTS[kind], tokenizer, dataset, length)


def has_target(kind: str, dataset: str) -> bool:
    """Whether such a row has a target, by counting ids: one without BOS and EOS needs two of its own."""
    if kind == "cut_answer":
        return False
    return dataset == "with_specials" or kind in ("zero_width", "blanks")


def padded(rows: Sequence[LoadedRow], pad_id: int, length: int) -> tuple[list[list[int]], list[list[int]]]:
    """Ids [B, length + 1] filled with padding on the right, and the mask [B, length] of their targets."""
    ids = [[*row.ids, *[pad_id] * (length + 1 - len(row.ids))] for row in rows]
    counts = [[*row.counts, *[False] * (length + 1 - len(row.counts))] for row in rows]
    mask = [
        [int(counted and token != pad_id) for token, counted in zip(tokens[1:], row[1:], strict=True)]
        for tokens, row in zip(ids, counts, strict=True)
    ]
    return ids, mask
