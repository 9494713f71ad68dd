"""One text in six vocabularies: what is cut is the text itself, whatever it holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q03_vocabulary import claims, market, shipped
from labs.q03_vocabulary.cut import DRAWN_BYTES, laid_out, legible
from labs.q03_vocabulary.shipped import SHIPPED, tokens_per_character
from labs.runner.inline import InlineClient
from minimind_core.tokenizer import Tokenizer
from tests.labs.one_lab import Run, Show

FIRST = "机器学习很有趣"
PAGE = {"zh": ["词表变大，句子变短。"], "en": ["A larger vocabulary."], "code": ["x = [1, 2]\n"]}


def tokenizer(name: str) -> Tokenizer:
    return shipped.load_tokenizer(SHIPPED[name])


@pytest.fixture(scope="module")
def result(run: Run) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(market, "held_out_texts", lambda: PAGE)
        return run("market")


def test_the_counts_are_those_of_the_claim(result: dict[str, Any]) -> None:
    counted = {name: result["tokens"][name] for name in ("small", "ours", "large")}
    assert counted == claims.token_counts("first") == {"small": 9, "ours": 4, "large": 2}
    assert list(result["tokens"]) == list(SHIPPED) and result["round_trip"]


def test_the_pieces_are_the_bytes_of_the_text_end_to_end(result: dict[str, Any]) -> None:
    for name, cut in result["pieces"].items():
        assert len(cut) == result["tokens"][name]
        assert [piece["start"] for piece in cut] == [0, *(piece["end"] for piece in cut[:-1])]
        assert cut[-1]["end"] == len(FIRST.encode()) == result["bytes"]
    assert "".join(piece["text"] for piece in result["pieces"]["large"]) == FIRST


def test_lengths_are_counted_on_the_held_out_text(result: dict[str, Any]) -> None:
    for language, (document,) in PAGE.items():
        rates = result["tokens_per_character"][language]
        assert rates["ours"] == len(tokenizer("ours").encode(document)) / len(document)
        assert result["characters_per_token"][language] == pytest.approx(1 / rates["ours"])
        assert result["held_out_characters"][language] == len(document)
    chinese = result["tokens_per_character"]["zh"]
    assert result["length_factor"]["small"] == chinese["small"] / chinese["ours"] > 1
    assert result["length_factor"]["ours"] == 1 > result["length_factor"]["large"]


def test_the_figure_has_a_row_for_each_tokenizer_and_marks_what_is_said(
    result: dict[str, Any], show: Show
) -> None:
    shown = show("market", result)
    *rows, names, counts = shown.figures["pieces"].data
    assert [len(row["x"]) for row in rows] == list(result["tokens"].values())
    assert [sum(row["x"]) for row in rows] == [21] * 6
    assert list(names["text"][:5]) == ["机", "器", "学", "··", "·"]
    assert list(counts["text"])[1] == "4 tokens" and shown.numbers["Tokens with our 6,400 entries"] == 4
    lengths = {trace["meta"]["role"]: trace for trace in shown.figures["lengths"].data}
    ours = result["tokens_per_character"]["zh"]["ours"]
    assert lengths["said"]["y"] == [2 * ours, 0.8 * ours] and lengths["said"]["x"] == [1000, 100_000]
    assert shown.sentence is not None and shown.sentence["said"] == 6 and shown.sentence["measured"] == 4
    assert shown.sentence["formula"] == pytest.approx(7 * ours)


def test_a_text_of_ones_own_has_no_sentence_and_a_long_one_says_that_it_is_cut(
    run: Run, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market, "held_out_texts", lambda: PAGE)
    result = run("market", text="abc " * 4_000)
    assert result["characters"] == 16_000 and len(result["text"]) <= DRAWN_BYTES
    assert all(cut[-1]["start"] < DRAWN_BYTES <= cut[-1]["end"] for cut in result["pieces"].values())
    shown = show("market", result)
    assert shown.sentence is None and "16,000" in shown.notes[-1]


@settings(deadline=None, max_examples=12)
@given(st.text(max_size=60))
def test_any_text_comes_back_and_has_no_more_tokens_than_bytes(text: str) -> None:
    for name in ("small", "ours"):
        ids = tokenizer(name).encode(text)
        assert tokenizer(name).decode(ids) == text
        assert len(ids) <= len(text.encode())
        cut = laid_out(map(tokenizer(name).token_bytes, ids))
        assert all(letter.isprintable() for piece in cut for letter in piece["text"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Nothing to count: type some text."),
        ("a\ud800", "text holds half a character at place 2; delete it or write it again."),
        ("x" * 1_000_000, "text has 1,000,000 characters; the most is 200,000."),
    ],
)
def test_bad_text_is_one_sentence(client: InlineClient, text: str, sentence: str) -> None:
    job = client.submit("q03/market", {"text": text})
    assert (job.state, job.error) == ("failed", sentence)


def test_emoji_control_characters_and_rare_ones_can_be_read() -> None:
    assert legible("🙂".encode()) == "🙂" and legible("🙂".encode()[:2]) == "\\xf0\\x9f"
    assert legible(b"\x00\x1b<b>") == "\\x00\\x1b‹b>" and legible("\u2028".encode()) == "\\xe2\\x80\\xa8"


def test_every_language_and_tokenizer_is_reported() -> None:
    told: list[float] = []
    two = {"small": tokenizer("small"), "ours": tokenizer("ours")}
    tokens_per_character(two, PAGE, told.append)
    assert told == sorted(told) and len(told) == 6 and told[0] == 0 and told[-1] < 1
