"""The exact numbers of Question 6's results, row by row."""

from __future__ import annotations

from labs.contract.columns import Result, Row, Text
from labs.q06_gqa.analytic import VARIANTS
from labs.tools.seeds import telling


def seeds(result: Result, text: Text) -> list[Row]:
    """Each kind: its loss from every seed, and their mean."""
    words = telling.words(text, "q06")
    return telling.table(result["loss"], {kind: words(kind) for kind in VARIANTS}, words)
