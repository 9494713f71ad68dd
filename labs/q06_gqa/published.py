"""What fewer KV heads cost in published comparisons, as percentages. The numbers are those of the claims."""

from __future__ import annotations

from collections.abc import Mapping

from questions import load_question

CLAIMS = {"mqa": "Q6-C7", "gqa": "Q6-C8"}
LOWER_IS_BETTER = ("shazeer",)
"""Perplexities; the others are scores."""


def changes(variant: str) -> dict[str, float]:
    """Percent by which "mqa" or "gqa" is worse than MHA in each comparison; negative where it is better.

    >>> round(changes("mqa")["shazeer"], 1), round(changes("gqa")["llama"], 1)
    (1.0, -0.3)
    """
    pairs = load_question("q06_gqa").claim(CLAIMS[variant]).value
    assert isinstance(pairs, Mapping)
    found = {}
    for paper, pair in pairs.items():
        full, shared = (float(number) for number in pair)  # type: ignore[union-attr, arg-type]
        worse = shared - full if paper in LOWER_IS_BETTER else full - shared
        found[paper] = 100 * worse / full
    return found
