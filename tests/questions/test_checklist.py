"""The cards: texts that can be filled in both languages, right answers from claims, no fronts that tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from questions import Question, QuestionError, Renderer, load_questions
from questions.checklist import FILE, Card, checklist
from questions.glossary import words_not_to_use
from questions.values import shown
from tests.questions.prose_digits import stray_digits

QUESTIONS = {question.id: question for question in load_questions()}
CARDS = pytest.mark.parametrize("card", checklist(), ids=lambda card: card.id)


def question_of(card: Card) -> Question:
    return QUESTIONS[card.question]


@CARDS
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_text_is_filled_and_has_no_number_of_its_own(card: Card, lang: str) -> None:
    question = question_of(card)
    renderer = Renderer(question, lang)
    texts = [card.front, card.check, card.back, *card.choices]
    for text in texts:
        assert "{" not in renderer.text(text) or "`" in renderer.text(text)
        assert not stray_digits(text[lang]), text[lang]
        assert lang == "en" or not words_not_to_use(text["zh"])


@CARDS
def test_its_claims_are_those_of_its_question(card: Card) -> None:
    for claim in card.claims:
        assert question_of(card).claim(claim)


@CARDS
def test_the_front_names_given_data_only(card: Card) -> None:
    for text in (card.front, card.check, *card.choices):
        for lang in ("en", "zh"):
            assert "{Q" not in text[lang]


@CARDS
def test_what_is_right_is_a_number_of_a_claim_and_the_back_says_it(card: Card) -> None:
    if card.answer is None:
        assert len(card.choices) >= 2
        return
    assert card.number(question_of(card)) is not None
    for lang in ("en", "zh"):
        assert f"{{{card.answer}}}" in card.back[lang]
        right = Renderer(question_of(card), lang).fill(f"{{{card.answer}}}")
        check = Renderer(question_of(card), lang).text(card.check)
        assert not re.search(rf"(?<![\d.,]){re.escape(right)}(?![\d.,]*\d)", check)


BROKEN = [
    ('question = "Q1"', 'question = "1"', "question"),
    ('answer = "Q1-C1"', "", "answer"),
    ('claims = ["Q1-C1", "Q1-C5", "Q1-C23"]', "claims = []", "claims"),
    ('id = "loss-mask"', 'id = "shift"', "id"),
    ("right = true", "right = false", "choices"),
    ("[[cards]]", "[[cards]", "cannot be read"),
]


@pytest.mark.parametrize(("before", "after", "named"), BROKEN)
def test_a_broken_file_names_file_and_key(tmp_path: Path, before: str, after: str, named: str) -> None:
    path = tmp_path / "checklist.toml"
    path.write_text(FILE.read_text(encoding="utf-8").replace(before, after, 1), encoding="utf-8")
    with pytest.raises(QuestionError, match=named) as raised:
        checklist(path)
    assert str(path) in str(raised.value)


def test_an_answer_that_no_claim_has_is_an_error() -> None:
    card = checklist()[0]
    assert shown(question_of(card).claim("Q1-C1").value or 0)
    with pytest.raises(QuestionError, match="answer"):
        Card(
            card.id, card.question, card.front, card.check, card.back, card.claims, answer="Q1-C10.nowhere"
        ).number(question_of(card))
