"""The text that the real model reads, as ids and as labels. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labs.contract import text
from minimind_core.errors import ConfigError

if TYPE_CHECKING:
    from minimind_core.files.checkpoint import LoadedModel

PROMPT = "The cat sat down, and 小猫睡着了。"
"""In both languages: what recorded runs read."""
OPENINGS = {
    "en": "The old cat sat down by the fire and fell asleep.",
    "zh": "小猫在火炉旁边坐下，不一会儿就睡着了。",
}
MOST_TOKENS = 32
"""What a square of attention weights can still be read for."""


def short_text() -> Any:
    """The field for a text of a few tokens."""
    return text(PROMPT, primary=True, openings=OPENINGS)


def ids_of(loaded: LoadedModel, typed: str) -> list[int]:
    """BOS and the tokens of a text, two of them at least. Raises ConfigError with one sentence."""
    ids = loaded.prompt_ids(typed)
    count = len(ids) - 1
    if count == 0:
        raise ConfigError(
            "Nothing to run: the tokenizer produced 0 tokens. Type a few words.", key="q05.empty"
        )
    if count == 1:
        raise ConfigError(
            "The text is one token: there is nothing before or after it. Type a few words.", key="q05.single"
        )
    if count > MOST_TOKENS:
        raise ConfigError(
            f"The text has {count:,} tokens; {MOST_TOKENS} are as many as can be drawn. Shorten it.",
            key="q05.long",
            count=f"{count:,}",
            most=MOST_TOKENS,
        )
    return ids


def labels_of(loaded: LoadedModel, ids: list[int]) -> list[str]:
    """A label for every token, no two alike: its place, and its text with every character to be seen."""
    texts = ["BOS", *(loaded.tokenizer.token_text(token) for token in ids[1:])]
    return [f"{place} {''.join(map(_seen, text))}" for place, text in enumerate(texts)]


def _seen(character: str) -> str:
    r"""A character, or a sign for one that leaves nothing to look at.

    >>> print(_seen("a") + _seen(" ") + _seen(chr(7)) + _seen(chr(0x200B)))
    a␣\x07\u200b
    """
    signs = {" ": "␣", "\n": "⏎", "\t": "⇥"}
    if character in signs or character.isprintable():
        return signs.get(character, character)
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
