"""A mask as somebody types it, the ways of masking, and what each leaves. No torch."""

from __future__ import annotations

import re
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract.fields import ParamError

MOST = 8
WAYS = ("by_hand", "added", "product", "minus_1e9", "lowest", "guarded", "fused")
"""`masked_fill` with −Inf; plus 0 or −Inf; plus (1 − mask) times −Inf, times −1e9, times the format's lowest
number less 16; `masked_fill` in rows that see something and zero elsewhere; the fused kernel."""


class Way(TypedDict):
    """The weights float32 [n, n], and how many numbers are not finite: of them, of the outputs of rows that
    see something, and of the gradients that these rows alone send back."""

    weights: NDArray[np.float32]
    bad_weights: int
    bad_output: int
    bad_gradients: dict[str, int]


def read_mask(typed: str) -> list[list[int]]:
    """A square of 0 and 1, a row a query. Raises ParamError with one sentence.

    >>> read_mask("10/11")
    [[1, 0], [1, 1]]
    """
    words = [word for word in re.split(r"[\s,，、;；/|]+", typed) if word]
    size = len(words)
    if 1 <= size <= MOST and all(re.fullmatch(f"[01]{{{size}}}", word) for word in words):
        return [[int(digit) for digit in word] for word in words]
    raise ParamError(
        "together",
        "mask",
        f"A mask is a square of 0 and 1 with at most {MOST} rows; write it as 100 110 111.",
        key="q11.mask.square",
        most=MOST,
    )
