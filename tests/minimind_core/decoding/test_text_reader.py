"""Text that comes back token by token is the text that the tokenizer decodes at once."""

from __future__ import annotations

import random

import pytest

from minimind_core.decoding.text_reader import TextReader
from minimind_core.tokenizer import load_tokenizer


@pytest.mark.parametrize("tokenizer", ["byte", "1k", "6.4k"])
def test_pieces_are_the_text_whatever_the_bytes(tokenizer: str) -> None:
    reading, draw = load_tokenizer(tokenizer), random.Random(0)
    for _ in range(50):
        ids = draw.choices(range(reading.vocab_size), k=30)
        reader = TextReader(reading)
        pieces = []
        for token in ids:
            expected = reader.peek(token)
            pieces.append(reader.read(token))
            assert pieces[-1] == expected
        text = "".join(piece["text"] for piece in pieces)
        assert reading.decode(ids) == text + ("\N{REPLACEMENT CHARACTER}" if pieces[-1]["open"] else "")


def test_a_character_comes_with_its_last_byte() -> None:
    reader = TextReader(load_tokenizer("byte"))
    pieces = [reader.read(token) for token in load_tokenizer("byte").encode("天a")]
    assert [(piece["text"], piece["open"]) for piece in pieces] == [
        ("", True),
        ("", True),
        ("天", False),
        ("a", False),
    ]
    assert reader.read(2) == {"id": 2, "token": "<|im_end|>", "text": "", "open": False, "special": True}
