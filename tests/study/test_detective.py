"""The factor detective: a planted factor is found, a tie and a random number are left alone."""

from __future__ import annotations

import dataclasses
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from questions import Symbol, load_question, load_questions
from study.detective import AGAINST_FORMULA, explain, window_of

Q6 = load_question("q06_gqa")
SIZE = Q6.prediction("cache-size")
RIGHT = 8.388608
DECLARED = [
    (question, symbol, name)
    for question in load_questions()
    for symbol in question.symbols
    for name in symbol.predictions
]


def symbol(name: str, factor: float) -> Symbol:
    return Symbol(name, factor, ("cache-size",), {"en": f"much {name}"}, {"en": f"little {name}"})


def told(answer: float, *symbols: Symbol) -> list[str] | None:
    question = dataclasses.replace(Q6, symbols=symbols) if symbols else Q6
    found = explain(question, SIZE, answer, RIGHT, AGAINST_FORMULA)
    return None if found is None else [reason["en"] for reason in found.reasons]


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        (33.6, ["you counted query heads where KV heads are stored"]),
        (1.05, ["you counted one layer"]),
        (8388608, ["you gave bytes"]),
        (8.0, ["you divided by a power of two, which gives MiB"]),
        (67, ["you counted bits and not bytes"]),
        (4.2, None),  # keys or values alone, or elements for bytes
        (7.3, None),
        (RIGHT, None),
        (-33.6, None),
        (0, None),
    ],
)
def test_the_cache_of_question_six(answer: float, reasons: list[str] | None) -> None:
    assert told(answer) == reasons


def test_the_factor_is_told_in_its_direction() -> None:
    much, little = (explain(Q6, SIZE, RIGHT * factor, RIGHT, AGAINST_FORMULA) for factor in (4, 1 / 8))
    assert much is not None and much.too_much and much.factor == pytest.approx(4)
    assert little is not None and not little.too_much and little.factor == pytest.approx(8)


def test_two_factors_are_told_together_and_one_alone_is_plainer() -> None:
    three, five, fifteen = symbol("three", 3), symbol("five", 5), symbol("fifteen", 15)
    assert told(RIGHT * 15, three, five) == ["much three", "much five"]
    assert told(RIGHT * 15, three, five, fifteen) == ["much fifteen"]
    assert told(RIGHT * 3 / 5, three, five) == ["much three", "little five"]


def test_two_equally_plain_explanations_are_not_told() -> None:
    assert told(RIGHT * 8, symbol("layers", 8), symbol("bits", 8)) is None
    assert told(RIGHT * 8, symbol("layers", 8), symbol("bits", 8.1)) is None
    assert told(RIGHT * 8, symbol("layers", 8), symbol("ten", 10)) == ["much layers"]


def test_factors_that_cancel_explain_nothing() -> None:
    much, little = symbol("much", 8), symbol("little", 8)
    question = (dataclasses.replace(much, little=None), dataclasses.replace(little, much=None))
    assert told(RIGHT * 1.01, *question) is None
    assert told(RIGHT * 8, *question) == ["much much"]


@given(st.sampled_from(DECLARED), st.floats(1e-3, 1e6), st.booleans(), st.floats(-0.01, 0.01))
def test_a_planted_factor_is_found_or_ties(planted, target: float, much: bool, rounding: float) -> None:
    question, symbol, name = planted
    clause = symbol.much if much else symbol.little
    if clause is None:
        return
    answer = target * symbol.factor ** (1 if much else -1) * (1 + rounding)
    found = explain(question, question.prediction(name), answer, target, AGAINST_FORMULA)
    others = [
        other
        for other in question.symbols
        if name in other.predictions
        and (other.much if much else other.little)
        and abs(math.log(other.factor / symbol.factor)) < 0.05
    ]
    if len(others) == 1:
        assert found is not None and found.reasons == (clause,) and found.too_much is much
    else:
        assert found is None or len(found.reasons) == 1


@given(st.floats(1.2, 50), st.floats(1e-3, 1e3))
def test_equal_symbols_always_tie(factor: float, target: float) -> None:
    question = dataclasses.replace(Q6, symbols=(symbol("a", factor), symbol("b", factor)))
    assert explain(question, SIZE, target * factor, target, AGAINST_FORMULA) is None


def test_random_numbers_are_mostly_left_alone() -> None:
    draw = random.Random(0)
    for question in load_questions():
        for prediction in question.predictions:
            if prediction.kind == "number":
                answers = [math.exp(draw.uniform(math.log(0.01), math.log(100))) for _ in range(400)]
                found = [explain(question, prediction, each, 1.0, AGAINST_FORMULA) for each in answers]
                assert sum(each is not None for each in found) < 120, prediction.id


def test_a_wide_tolerance_does_not_explain_everything() -> None:
    race = load_question("q12_kv_cache").prediction("seconds")
    assert window_of(race, 8.0) == pytest.approx(0.1)
    assert window_of(Q6.prediction("speedup-at-batch-one"), 1.5) == pytest.approx(0.1)
    assert window_of(SIZE, RIGHT) == pytest.approx(0.03)
    assert window_of(load_question("q13_sampling").prediction("survivors"), 4) == AGAINST_FORMULA
