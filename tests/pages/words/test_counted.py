"""In English one of a thing is said in the singular: in sentences and figures filled with ones, in units."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from labs.contract.filling import fill
from pages.ui.experiments import registry
from pages.ui.words.i18n import catalogue
from pages.ui.words.markdown import filled, filled_plainly
from questions import load_questions
from questions.counted import counted

_NUMBERS = re.compile(r"\{(\w+)(?::[^{}]*)?\}")
_MANY = re.compile(
    r"(?<![\d.,:/−-])1[ \u00a0](?!(?:in|million|of|without) )(?:[a-z]+-?[a-z]+ )?([A-Za-z-]+s)(?![\w/-])"
    r"(?: (?:are|were|have|take)\b)?"
)
_NO_NOUNS = {
    *(
        "as",
        "becomes",
        "costs",
        "does",
        "ends",
        "has",
        "is",
        "its",
        "keeps",
        "lies",
        "looks",
        "reaches",
        "stretches",
        "takes",
        "this",
        "was",
    ),
    *("continuous", "less", "ms", "Probes", "reports", "starts", "times"),
}
"""Verbs and the like, symbols, what comes in pairs, and what is said of a ratio: 1 times as fast."""
_SYMBOLS = {"ms"}


def filled_with_ones() -> Iterator[tuple[str, str]]:
    for key, template in catalogue("en").items():
        yield key, fill(template, {name: 1 for name in _NUMBERS.findall(template)})


def test_one_of_a_thing_is_no_plural() -> None:
    wrong = {
        f"{key}: {match[0]}"
        for key, text in filled_with_ones()
        for match in _MANY.finditer(text)
        if match[1] not in _NO_NOUNS
    }
    assert not wrong, "\n".join(sorted(wrong))


@pytest.mark.parametrize(
    ("template", "one", "two"),
    [
        ("{n} tokens", "1 token", "2 tokens"),
        ("{n:,} new tokens are left", "1 new token is left", "2 new tokens are left"),
        ("{n:.1f} steps", "1.0 steps", "2.0 steps"),
        ("{n} times as fast", "1 times as fast", "2 times as fast"),
        ("Q{n} tokenizes", "Q1 tokenizes", "Q2 tokenizes"),
    ],
)
@pytest.mark.parametrize("way", [fill, filled, filled_plainly])
def test_every_filling_counts_alike(way: Any, template: str, one: str, two: str) -> None:
    assert (way(template, {"n": 1}), way(template, {"n": 2})) == (one, two)


def units() -> set[str]:
    """Every English unit of a prediction, a claim or a lab's three numbers."""
    of_labs = {text for key, text in registry().strings("en").items() if re.search(r"\bunit", key)}
    return of_labs | {
        each.unit["en"]
        for question in load_questions()
        for each in (*question.predictions, *question.claims)
        if each.unit
    }


@pytest.mark.parametrize("unit", sorted(units()))
def test_every_unit_has_a_singular(unit: str) -> None:
    assert unit in _SYMBOLS or not re.search(r"(?<![s/])s(?![\w-])", counted("1", unit)), counted("1", unit)
    assert counted("2", unit).endswith(unit)
