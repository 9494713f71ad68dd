"""Cards are graded, come again when they are nearly forgotten, and survive what an import brings."""

from __future__ import annotations

import pytest

from questions import load_questions
from questions.checklist import checklist
from study.deck import MOST, Answered, is_right, next_card, order, plan, read, written

DAY = 86_400.0
START = 1.75e9
QUESTIONS = {question.id: question for question in load_questions()}
CARDS = {card.id: card for card in checklist()}


@pytest.mark.parametrize(
    ("card", "answer", "right"),
    [
        ("shift", 511, True),
        ("shift", 512, True),  # within a percent
        ("shift", 500, False),
        ("temperature", 0.66, True),
        ("temperature", 0.62, False),
        ("scaler", 0, True),
        ("scaler", 1, False),
    ],
)
def test_a_card_is_graded(card: str, answer: float, right: bool) -> None:
    assert is_right(CARDS[card], QUESTIONS[CARDS[card].question], answer) is right


def test_a_wrong_answer_comes_again_before_a_right_one_and_right_ones_spread() -> None:
    wrong = plan("a", [Answered(START, False)])
    once = plan("a", [Answered(START, True)])
    assert plan("a", []) is None and wrong and once
    assert START < wrong.due < once.due
    twice = plan("a", [Answered(once.due, True), Answered(START, True)])  # in any order
    assert twice and twice.due - once.due > once.due - START
    assert once.recall(once.due) == pytest.approx(0.9, abs=0.03)


def test_what_is_due_longest_is_asked_first_then_what_is_new() -> None:
    first, second, third = list(CARDS.values())[:3]
    plans = {
        first.id: plan(first.id, [Answered(START, True)]),
        second.id: plan(second.id, [Answered(START, False)]),
        third.id: None,
    }
    cards = [first, second, third]
    assert next_card(cards, plans, START + 1) is third
    assert next_card(cards, plans, START + 400 * DAY) is second
    assert next_card(cards[:2], plans, START + 1) is None
    assert next_card(cards, plans, START + 1, once_more=[first.id]) is first, "before an interview"


def test_the_right_choice_has_no_place_of_its_own() -> None:
    with_choices = [card for card in CARDS.values() if card.choices]
    assert with_choices
    for card in with_choices:
        shown = [order(card, times) for times in range(40)]
        assert {places.index(card.right) for places in shown} == set(range(len(card.choices)))
        assert all(sorted(places) == list(range(len(card.choices))) for places in shown)
        assert shown == [order(card, times) for times in range(40)], "it stays while it is asked"
    assert len({order(card, 0).index(card.right) for card in with_choices}) > 1, "nor at the first time"


@pytest.mark.parametrize(
    "text",
    ["", "{", "7", "[[1]]", "[[true, true]]", '[["1", true]]', "[[-1, true]]", "[[1e99, true]]", "[[1, 1]]"],
)
def test_what_is_no_answer_is_left_out(text: str) -> None:
    assert not read(text)


def test_the_newest_answers_are_kept() -> None:
    many = tuple(Answered(float(index), index % 2 == 0) for index in range(MOST + 5))
    assert read(written(many)) == many[5:]
