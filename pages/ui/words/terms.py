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
    asks.
    """
    end, parts = 0, list[str]()
    for start, stop, term in find_terms(text, language):
        if term.question == untold:
            continue
        meaning = html.escape(term.meaning[language])
        mark = f'<span class="term" tabindex="0" aria-description="{meaning}">{text[start:stop]}</span>'
        parts += (text[end:start], mark)
        end = stop
    return "".join(parts) + text[end:]
