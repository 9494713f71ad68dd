"""Token ids as labels: special ones by the field's names, what cannot be seen by a sign. No torch."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minimind_core.tokenizer import Tokenizer

_SIGNS = {" ": "␣", "\n": "⏎", "\t": "⇥"}


def piece(tokenizer: Tokenizer, token_id: int) -> str:
    """One id as text to look at: PAD, BOS and EOS by these names, spaces and control characters visible."""
    names = {tokenizer.pad_id: "PAD", tokenizer.bos_id: "BOS", tokenizer.eos_id: "EOS"}
    return names.get(token_id) or visible(tokenizer.token_text(token_id))


def visible(text: str) -> str:
    r"""A text of which every character can be seen.

    >>> visible("a b\x07")
    'a␣b\\x07'
    """
    return "".join(
        _SIGNS.get(char) or (char if char.isprintable() else f"\\x{ord(char):02x}") for char in text
    )


def drawn(label: str) -> str:
    """A label inside a figure, where plotly would read `<b>` as bold."""
    return html.escape(label, quote=False)


def readable(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """A text up to its first special token, which is named, with how many tokens came from there on."""
    special = next((place for place, token in enumerate(ids) if token in tokenizer.special_ids), None)
    if special is None:
        return tokenizer.decode(ids) + " …"
    name, left = piece(tokenizer, ids[special]), len(ids) - special
    return f"{tokenizer.decode(ids[:special])} [{name}]" + (f" × {left}" if left > 1 else "")
