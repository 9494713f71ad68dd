"""A document of one's own, read in place of a held-out text. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from labs.contract import text
from minimind_core.errors import DataError

if TYPE_CHECKING:
    from minimind_core.files.checkpoint import LoadedModel

MOST_CHARACTERS = 200_000
SHORTEST, LONGEST = 16, 32_768
"""Tokens: what there is something to see in, and what is priced."""


class Document(TypedDict):
    """What was pasted; `priced` of its tokens are, LONGEST at most."""

    characters: int
    tokens: int
    priced: int


def document() -> Any:
    """The field for it; empty means none."""
    return text("", max_length=MOST_CHARACTERS, label="own_document", files=("txt", "md", "py"))


def read_document(loaded: LoadedModel, pasted: str) -> tuple[list[int], Document]:
    """BOS and the ids of the tokens that are priced. Raises DataError for a text too short to be read."""
    ids = loaded.tokenizer.encode(pasted)
    if len(ids) < SHORTEST:
        raise DataError(
            f"Your document has only {len(ids)} tokens; paste at least {SHORTEST}, or nothing.",
            key="q04.short_document",
            tokens=len(ids),
            least=SHORTEST,
        )
    priced = min(len(ids), LONGEST)
    said: Document = {"characters": len(pasted), "tokens": len(ids), "priced": priced}
    return [loaded.config.bos_id, *ids[:priced]], said
