"""What stands in the text field of the workbench: texts or ids between semicolons. No torch."""

from __future__ import annotations

import re

from labs.contract.fields import ParamError


def split(rows: str) -> list[str]:
    """The texts between semicolons, without the spaces around them; one empty text where nothing stands.

    >>> split("101 102; 201；")
    ['101 102', '201']
    """
    texts = [one.strip(" ") for one in re.split("[;；\n]", rows)]
    while len(texts) > 1 and not texts[-1]:
        texts.pop()
    return texts


def read_ids(text: str) -> list[int]:
    """Typed ids. Raises ParamError for a word that is none."""
    for word in text.replace(",", " ").split():
        if not re.fullmatch(r"\d{1,9}", word, re.ASCII):
            shown = word if len(word) <= 20 else word[:20] + "…"
            raise ParamError("kind", "rows", f"{shown} is not a token id.", key="q01.no_id", word=shown)
    return [int(word) for word in text.replace(",", " ").split()]
