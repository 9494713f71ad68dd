"""What is found, and in which order."""

from __future__ import annotations

import pytest

from study.search import Entry, excerpt, find

CACHE = Entry("term", "KV 缓存", "已算过的词元的键和值，解码时不必重算。", "glossary#term-1", ("KV cache",))
MASK = Entry("term", "loss mask", "Says which targets count.", "glossary#term-2", ("损失掩码",))
CHAPTER = Entry("question", "Q1 · The triple", "What a loss mask does to the mean", "q01")
TENTH = Entry("question", "Q10 · GradScaler", "Overflow at ６５５０４", "q10")
ALL = [CHAPTER, TENTH, CACHE, MASK]


def found(wanted: str) -> list[Entry]:
    return find(ALL, wanted)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("loss mask", [MASK, CHAPTER]),  # a whole name before words in a text
        ("MASK", [MASK, CHAPTER]),
        ("q1", [CHAPTER, TENTH]),  # the whole word before one that begins so
        ("65504", [TENTH]),  # full-width digits
        ("ask", []),  # only from the beginning of a word
        ("loss nowhere", []),  # every word must be there
        ("scaler q10", []),
        ("gradscaler q10", [TENTH]),
        ("", []),
        (" . ", []),
    ],
)
def test_words_are_found_and_ranked(wanted: str, expected: list[Entry]) -> None:
    assert found(wanted) == expected


@pytest.mark.parametrize(
    "wanted", ["缓存", "kv缓存", "KV　缓存", "kv cache", "键和值", "解码重算", "词元的键值"]
)
def test_chinese_needs_no_blanks_between_its_words(wanted: str) -> None:
    assert found(wanted) == [CACHE]


@pytest.mark.parametrize("wanted", ["存缓", "损失函数的梯度", "缓存掩码表"])
def test_chinese_characters_that_do_not_stand_together_are_not_found(wanted: str) -> None:
    assert not found(wanted)


def test_equal_finds_keep_their_order() -> None:
    twins = [Entry("term", "RoPE", "", str(number)) for number in range(3)]
    assert find(twins, "rope") == twins


def test_an_excerpt_shows_where_the_words_stand() -> None:
    text = "word " * 100 + "the needle " + "word " * 100
    cut = excerpt(text, "needle", 60)
    assert "needle" in cut and cut.startswith("… word") and cut.endswith(" …") and len(cut) < 70
    assert excerpt("short", "nothing", 60) == "short"


def test_an_excerpt_never_cuts_code() -> None:
    text = "before `" + "a b " * 60 + "needle " + "c d " * 60 + "` after"
    assert excerpt(text, "needle", 40) == "… " + text[text.index("`") : text.rindex("`") + 1] + " …"
    assert excerpt(text, "before", 40).endswith("` …")
