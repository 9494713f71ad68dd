"""Sentences below the figures of Question 6: what the seeds say, and how the models were trained."""

from __future__ import annotations

from labs.contract.columns import Result, Text
from labs.q06_gqa.analytic import VARIANTS
from labs.tools.seeds import telling


def seeds(result: Result, text: Text) -> list[str]:
    """The verdict and what it rests on; nothing before the end."""
    if "judged" not in result:
        return []
    words = telling.words(text, "q06")
    names = {kind: words(kind) for kind in VARIANTS}
    return [telling.verdict(result["judged"], names, words), *telling.conditions(result, words)]
