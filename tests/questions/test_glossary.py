"""The glossary names each thing once, and the texts keep to it."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.contract.registry import read_words
from questions import QuestionError, load_questions
from questions.glossary import FILE, find_terms, glossary, words_not_to_use
from questions.guide import guide

QUESTIONS = load_questions()


def test_every_term_leads_to_a_question_and_has_one_name() -> None:
    known = {question.id for question in QUESTIONS}
    assert {term.question for term in glossary()} <= known
    for language in ("en", "zh"):
        names = [term.name[language].casefold() for term in glossary()]
        assert len(set(names)) == len(names)
    banned = {word for term in glossary() for word in term.not_zh}
    assert not banned & {term.name["zh"] for term in glossary()}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.key)
def test_chinese_texts_use_one_word_for_one_thing(question) -> None:  # type: ignore[no-untyped-def]
    texts = [text["zh"] for _, text, _ in question.texts()] + [question.title["zh"], question.short["zh"]]
    if question.written:
        texts += [text for _, text in question.prose["zh"].texts()]
    found = {word: instead for text in texts for word, instead in words_not_to_use(text)}
    assert not found


def test_the_chinese_guide_uses_one_word_for_one_thing() -> None:
    texts = [part.body + part.title for part in guide().parts["zh"]]
    texts += [example.lesson["zh"] for example in guide().examples]
    assert not {word: instead for text in texts for word, instead in words_not_to_use(text)}


@pytest.mark.parametrize(
    "path",
    sorted(path for room in ("pages", "labs") for path in (FILE.parents[1] / room).rglob("*zh.toml")),
    ids=lambda path: path.parent.name + "-" + path.stem,
)
def test_chinese_catalogues_use_one_word_for_one_thing(path: Path) -> None:
    found = {key: words for key, text in read_words(path).items() if (words := words_not_to_use(text))}
    assert not found


def test_terms_are_found_where_they_are_words() -> None:
    text = "# GQA\n\nWith `GQA`, $GQA$ and [GQA](x), **GQA** shares heads; batches, a micro-batch of tokens."
    found = [(text[start:end], term.name["en"]) for start, end, term in find_terms(text, "en")]
    assert found == [("GQA", "GQA"), ("micro-batch", "micro-batch"), ("tokens", "token")]
    assert text.index("**GQA**") + 2 == find_terms(text, "en")[0][0]


def test_the_longer_term_wins() -> None:
    found = find_terms("先做梯度累积，再看 KV 缓存和分页 KV 缓存", "zh")
    assert [term.name["zh"] for _, _, term in found] == ["梯度累积", "KV 缓存", "分页 KV 缓存"]


@given(st.text(alphabet=st.sampled_from("GQAtoken `$[](){}#|\n*词元 KV缓存"), max_size=80))
def test_places_never_overlap(text: str) -> None:
    for language in ("en", "zh"):
        places = find_terms(text, language)
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(places))
        assert all(
            re.search(re.escape(term.name[language]), text[start:end], re.I) for start, end, term in places
        )


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('question = "Q6"', 'question = "6"', "must be a question, such as Q6"),
        ("meaning_zh", "meaning_fr", "meaning_fr: unknown key"),
        ('not_zh = ["词汇表"]', 'not_zh = "词汇表"', "must be a list of words"),
        ('en = "token"', 'en = "vocabulary"', "vocabulary is already taken"),
        ("[[terms]]", "[terms]", "cannot be read"),
    ],
)
def test_a_broken_file_is_named_with_key_and_reason(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    broken = tmp_path / "glossary.toml"
    broken.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(QuestionError, match=re.escape(complaint)):
        glossary(broken)
