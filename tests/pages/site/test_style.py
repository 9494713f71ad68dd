"""No rule of ours makes the browser look through the page again whenever a plot draws something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pages.ui

STYLES = sorted(Path(pages.ui.__file__).parent.rglob("*.css"))
HAS = re.compile(r":has\(((?:[^()]|\([^()]*\))*)\)")
OF_EVERY_ELEMENT = re.compile(r"\[(?:class|style)\b|(?:^|[\s>+~,(])(?:path|g|text|rect|\*)(?![\w-])")
"""What each line of a plot matches: with it in `:has()`, all that depends on the answer is styled anew."""


@pytest.mark.parametrize("style", STYLES, ids=lambda path: path.stem)
def test_has_asks_for_nothing_that_a_plot_is_made_of(style: Path) -> None:
    asked = HAS.findall(style.read_text(encoding="utf-8"))
    assert not [argument for argument in asked if OF_EVERY_ELEMENT.search(argument)]


@pytest.mark.parametrize("argument", ['[class*="st-key-lab-"]', 'path[style*="url("]', "> g .x", "> *"])
def test_such_an_argument_is_found(argument: str) -> None:
    assert OF_EVERY_ELEMENT.search(argument)
