"""A planted fact beyond the reach of window attention cannot help at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labs.q04_long_text import passkey
from labs.q04_long_text.planted import FACT, KEYS, QUESTION, Planted
from minimind_core.files.checkpoint import load_model
from tests.labs.one_lab import shown


def test_a_fact_beyond_the_reach_is_worth_exactly_nothing(
    result: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passkey, "DISTANCES", (8, 128))
    read = result("passkey", window=16)  # five layers: 75 tokens
    assert read["bound"] == 75
    assert read["gain"]["local"]["128"] == 0
    assert read["gain"]["local"]["8"] != 0 and read["gain"]["full"]["128"] != 0
    assert read["gain"]["yarn"] == read["gain"]["full"]  # within the trained length nothing is stretched
    assert shown("q04/passkey", read).figures["gain"].data


def test_the_text_has_fact_distance_and_question() -> None:
    loaded = load_model("nano-rope")
    text = loaded.tokenizer.decode(Planted(loaded, loaded.tokenizer.encode("abc ") * 9).ids(KEYS[1], 4)[1:])
    assert text.startswith(FACT.format(key="30965")) and text.endswith(QUESTION)
    encoded = [loaded.tokenizer.encode(FACT.format(key=key)) for key in KEYS]
    assert len(encoded[0]) == len(encoded[1])
