"""The shipped tokenizers, and how long they make the held-out texts. No torch at the top."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from labs.contract import OnProgress
from minimind_core.tokenizer import Tokenizer, load_tokenizer

SHIPPED = {"small": "1k", "ours": "6.4k", "16k": "16k", "32k": "32k", "64k": "64k", "large": "100k"}
"""File of each tokenizer by what it is called in results; all were trained on the same text."""
LANGUAGES = {"zh": "chinese", "en": "english", "code": "code"}
"""Kind of held-out text by its short name."""

ByTokenizer = dict[str, float]
"""A number for each of SHIPPED."""


def shipped_tokenizers(on_progress: OnProgress) -> dict[str, Tokenizer]:
    """All of SHIPPED, the largest last; `on_progress` is called before each, which takes up to a second."""
    loaded = {}
    for number, (name, file) in enumerate(SHIPPED.items()):
        on_progress(number / len(SHIPPED))
        loaded[name] = load_tokenizer(file)
    return loaded


def held_out_texts() -> dict[str, list[str]]:
    """The documents of each language that no tokenizer of ours was trained on. Raises DataError."""
    from labs.tools import heldout

    return {language: heldout.held_out(kind) for language, kind in LANGUAGES.items()}


def tokens_per_character(
    tokenizers: Mapping[str, Tokenizer], texts: Mapping[str, Sequence[str]], on_progress: OnProgress
) -> dict[str, ByTokenizer]:
    """By language and tokenizer; `on_progress` is called before each."""
    found: dict[str, ByTokenizer] = {}
    for number, (language, documents) in enumerate(texts.items()):
        characters = sum(map(len, documents))
        found[language] = {}
        for rank, (name, tokenizer) in enumerate(tokenizers.items()):
            on_progress((number + rank / len(tokenizers)) / len(texts))
            tokens = sum(map(len, tokenizer.encode_batch(documents)))
            found[language][name] = tokens / characters
    return found


def vocab_sizes(tokenizers: Mapping[str, Tokenizer]) -> dict[str, int]:
    """Entries of each."""
    return {name: tokenizer.vocab_size for name, tokenizer in tokenizers.items()}


def beginning(documents: Sequence[str], characters: int) -> Iterator[str]:
    """The documents up to so many characters, the last one cut."""
    for document in documents:
        if characters <= 0:
            return
        yield document[:characters]
        characters -= len(document)
