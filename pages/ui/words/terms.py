"""The glossary inside a text: the first mention of a term says what it is when somebody points at it.

The meaning is an attribute, drawn by style.css on hover and on focus; a screen reader reads it as the term's
description, and prints and copies are of the text alone.
"""

from __future__ import annotations

import html

from questions.glossary import find_terms


def explained(text: str, language: str, untold: str = "") -> str:
    """Markdown with each term marked where it stands first.

    Terms that the question `untold` explains itself, such as "Q6", are left alone: what they mean is what it
    asks. Stars around a term are inside its mark: beside a tag they would emphasise nothing (CommonMark); a
    term with stars on one side only is left alone.
    """
    end, parts = 0, list[str]()
    for start, stop, term in find_terms(text, language):
        before, after = _stars(text[:start][::-1]), _stars(text[stop:])
        if term.question == untold or before != after:
            continue
        start, stop = start - before, stop + after
        meaning = html.escape(term.meaning[language])
        mark = f'<span class="term" tabindex="0" aria-description="{meaning}">{text[start:stop]}</span>'
        parts += (text[end:start], mark)
        end = stop
    return "".join(parts) + text[end:]


def _stars(text: str) -> int:
    """How many a text begins with."""
    return len(text) - len(text.lstrip("*"))
