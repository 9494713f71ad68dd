"""What may enter the database: text that every database takes, JSON data, a moment, an id."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from study.store.errors import StoreError

MAX_TEXT = 1_000_000
"""Characters in one text; far more than anyone types."""


def clean_text(text: str) -> str:
    """The text with halves of characters and NUL, which UTF-8 or PostgreSQL refuse, replaced by U+FFFD.

    A browser can send two halves of one character apart; here they come together again.
    """
    if len(text) > MAX_TEXT:
        raise StoreError(
            f"The text is longer than {MAX_TEXT:,} characters: shorten it.", key="store.long", most=MAX_TEXT
        )
    return whole_characters(text).replace("\0", "\N{REPLACEMENT CHARACTER}")


def whole_characters(text: str) -> str:
    """The text with halves of characters joined, and lone ones replaced, so that it has a UTF-8 form."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def plain(value: Any) -> Any:
    """A copy of JSON data. Anything else is a programmer's error; so is NaN, which JSON lacks: encode it."""
    return json.loads(json.dumps(value, allow_nan=False))


def now() -> float:
    """Seconds since 1970, UTC."""
    return time.time()


def new_id() -> str:
    """An id that nobody guesses and no other database gives."""
    return uuid.uuid4().hex
