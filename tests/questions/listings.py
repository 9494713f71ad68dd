"""The Python listings of a reference answer, for the tests that run them."""

from __future__ import annotations

import re
from typing import Any

from questions import load_question


def listings(slug: str, language: str) -> list[str]:
    """Every fenced Python block of an answer."""
    answer = "\n".join(text for _, text in load_question(slug).prose[language].texts())
    return re.findall(r"^```python\n(.*?)^```", answer, flags=re.MULTILINE | re.DOTALL)


def run(slug: str, language: str, **scope: Any) -> dict[str, Any]:
    """What the listings of an answer define, run one after the other with these names at hand."""
    blocks = listings(slug, language)
    assert blocks, f"{slug} has no listing"
    for block in blocks:
        exec(compile(block, f"{slug}/{language}.md", "exec"), scope)
    return scope
