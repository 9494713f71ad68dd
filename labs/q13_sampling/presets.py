"""The settings that are commonly recommended per task: hypotheses to test, read from the claim about them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from questions import load_question

CLAIM = "Q13-C16"


@cache
def presets() -> dict[str, tuple[float, float]]:
    """(temperature, top-p) by task.

    >>> presets()["code"]
    (0.2, 0.95)
    """
    said = load_question("q13_sampling").claim(CLAIM).said
    assert isinstance(said, Mapping)
    found: dict[str, tuple[float, float]] = {}
    for task, pair in said.items():
        assert isinstance(pair, tuple)
        temperature, top_p = (float(number) for number in pair)  # type: ignore[arg-type]
        found[task] = (temperature, top_p)
    return found
