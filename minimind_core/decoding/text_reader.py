r"""Ids back into text one by one, as they are generated. A character's bytes may come in several tokens.

Holds no model and shows nothing: a piece has what a screen needs.

>>> from minimind_core.tokenizer import load_tokenizer
>>> tokenizer = load_tokenizer("6.4k")
>>> reader = TextReader(tokenizer)
>>> "".join(reader.read(token)["text"] for token in tokenizer.encode("今天天气"))
'今天天气'
"""

from __future__ import annotations

import codecs
from typing import Any

from minimind_core.tokenizer import Tokenizer


class TextReader:
    r"""Turns ids into text one by one; a character whose bytes are still incomplete waits for the rest.

    Each piece is {"id", "token" (for the eye, odd bytes as \xNN), "text" (what became readable with it),
    "open" (bytes are waiting), "special" (a control token, which is no text)}. All texts together are what
    the tokenizer decodes at once, but for bytes that wait at the end.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def read(self, token_id: int) -> dict[str, Any]:
        """The next piece."""
        text = self.text(token_id)
        return {
            "id": token_id,
            "token": self._tokenizer.token_text(token_id),
            "text": text,
            "open": bool(self._decoder.getstate()[0]),
            "special": token_id in self._tokenizer.special_ids,
        }

    def text(self, token_id: int) -> str:
        """No more than the next piece's text."""
        if token_id in self._tokenizer.special_ids:
            return ""
        return self._decoder.decode(self._tokenizer.token_bytes(token_id))

    def peek(self, token_id: int) -> dict[str, Any]:
        """What the next piece would be."""
        state = self._decoder.getstate()
        piece = self.read(token_id)
        self._decoder.setstate(state)
        return piece
