"""A planted fact beyond the reach of window attention cannot help at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labs.q04_long_text import needle, passkey
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


def test_the_map_is_crossed_out_where_the_fact_is_out_of_reach(
    result: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needle, "LENGTHS", (8, 128))
    read = result("needle", window=16)  # five layers: 75 tokens
    assert read["bound"] == 75 and len(read["cells"]) == 2 * len(needle.DEPTHS)
    beyond = [cell for cell in read["cells"] if cell["back"] > 75]
    assert beyond and all(cell["gain"] == 0 for cell in beyond)
    nearest = min(read["cells"], key=lambda cell: cell["back"])
    assert nearest["gain"] != 0 and read["found"] <= read["within"] == len(read["cells"]) - len(beyond)
    drawn = shown("q04/needle", read)
    heat, crosses = drawn.figures["map"].data
    assert heat["z"][0] == [cell["gain"] for cell in read["cells"] if cell["depth"] == 0]
    assert len(crosses["x"]) == len(read["cells"]) - read["found"]
    assert drawn.sentence is not None and drawn.sentence["measured"] <= drawn.sentence["formula"] == 75


def test_read_whole_every_fact_arrives(
    result: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needle, "LENGTHS", (16,))
    read = result("needle", way="full")
    assert read["bound"] is None and read["found"] == read["within"] == len(needle.DEPTHS)
    assert shown("q04/needle", read).sentence is None


@pytest.mark.parametrize(("distance", "before"), [(0, 0), (5, 0), (5, 3), (0, 9)])
def test_the_way_back_is_counted_from_the_question_to_the_key(distance: int, before: int) -> None:
    loaded = load_model("nano-rope")
    text = Planted(loaded, loaded.tokenizer.encode("abc ") * 9)
    ids = text.ids(KEYS[0], distance, before)
    after = ids[len(ids) - text.back(distance, before) :]
    told = loaded.tokenizer.decode(after)
    assert told.startswith(" is the pass key.\n") and told.endswith(QUESTION)
    assert len(ids) == len(text.ids(KEYS[0], 0)) + distance + before
