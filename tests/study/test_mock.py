"""What a mock interview asks, and what of it can be read again."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from questions import load_questions
from study.mock import BUDGET, LENGTHS, MIX, Mock, draw, read, read_seed, written
from study.progress import MOCK, is_fixed, standing
from study.store import Attempt, Store

LEVELS = {question.key: question.level for question in load_questions()}
ONE = Mock("0123456789ab", 45, ("q05", "q06"), 12.5, "q06", 7, ("q05",), {"q05": 431.0, "q06": 0.0}, 99.0)


@settings(max_examples=30, deadline=None)
@given(minutes=some.sampled_from(LENGTHS), seed=some.integers(1, 999_999))
def test_what_is_drawn_has_the_levels_of_its_mix_and_fits_the_time(minutes: int, seed: int) -> None:
    drawn = draw(LEVELS, {"q06": 0.9, "q13": 0.4}, minutes, seed)
    assert tuple(LEVELS[name] for name in drawn) == MIX[minutes] and len(set(drawn)) == len(drawn)
    assert sum(BUDGET[LEVELS[name]] for name in drawn) <= minutes
    assert drawn == draw(dict(reversed(LEVELS.items())), {"q13": 0.4, "q06": 0.9}, minutes, seed)


def test_weak_questions_are_drawn_in_proportion_to_what_is_missing() -> None:
    levels, strength = {"q01": 1, "q02": 2, "q03": 2}, {"q02": 0.75}
    count = Counter(draw(levels, strength, 20, seed)[1] for seed in range(1, 2001))
    assert count["q02"] / 2000 == pytest.approx(0.2, abs=0.03), "0.25 against 1"
    assert count["q02"] + count["q03"] == 2000


def test_a_small_question_list_gives_what_it_has() -> None:
    assert draw({"q01": 1}, {}, 90, 1) == ("q01",) and draw({}, {}, 20, 1) == ()


@pytest.mark.parametrize(
    ("typed", "seed"), [(" 42 ", 42), ("999999", 999_999), ("٣", 3), ("0", None), ("²", None)]
)
def test_a_seed_is_a_whole_number(typed: str, seed: int | None) -> None:
    assert read_seed(typed) == seed


def test_it_is_read_as_it_was_written() -> None:
    assert read(ONE.id, written(ONE)) == ONE and ONE.used == 431


ODD = (
    None,
    True,
    -1,
    0,
    1.5,
    45,
    10**400,
    float("nan"),
    "q05",
    [],
    ["q05", "q05", 3],
    {},
    {"q05": -1},
    {"x": 3},
)


@settings(max_examples=60, deadline=None)
@given(
    change=some.dictionaries(
        some.sampled_from(list(json.loads(written(ONE)))), some.sampled_from(ODD), max_size=3
    )
)
def test_a_value_that_is_none_of_its_kind_never_gets_in(change: dict) -> None:
    found = read(ONE.id, json.dumps(json.loads(written(ONE)) | change))
    if found is not None:
        assert found.at in found.questions and set(found.flags) | set(found.seconds) <= set(found.questions)
        assert 0 <= found.used < float("inf") and found.minutes in LENGTHS
        assert read(ONE.id, written(found)) == found


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", "[" * 100_000, '{"minutes": 45}'])
def test_a_text_that_is_none_is_no_interview(text: str) -> None:
    assert read(ONE.id, text) is None and read("../x", written(ONE)) is None


def test_an_attempt_of_an_interview_stands_before_the_open_one_until_it_is_scored(
    store: Store, ada: str
) -> None:
    begun = store.attempts.predict(store.attempts.open(ada, "q06"), "speedup", 4.0)
    now = time.time()
    told = Attempt(
        ada, ONE.attempt("q06"), "q06", now, now, text="Fewer heads", help_used=(MOCK,), seconds=431
    )
    assert store.attempts.add(told) == told
    assert store.attempts.add(replace(told, text="again")).text == "Fewer heads", "what is there stays"
    assert store.attempts.open(ada, "q06") == told and is_fixed(told) and not is_fixed(begun)
    standing_now = standing("q06", store.attempts.of(ada, "q06"), draft="", asked=["speedup"])
    assert (standing_now.stage, standing_now.step, standing_now.words) == ("draft", "predict", 2)
    store.attempts.finish(told, 80)
    assert store.attempts.open(ada, "q06").id == begun.id
    assert store.attempts.open(ada, "q06").predictions == {"speedup": 4.0}


def test_an_interview_moves_with_an_export_and_goes_with_its_profile(store: Store, ada: str) -> None:
    store.drafts.save(ada, "mock", ONE.id, written(ONE), 3)
    store.drafts.save(ada, "q05", f"mock.{ONE.id}", "Shapes first", 8)
    store.attempts.add(Attempt(ada, ONE.attempt("q06"), "q06", 1.0, 1.0, help_used=(MOCK,), text="Fewer"))
    bob = store.profiles.named_or_new("Bob").id
    store.attempts.open(bob, "q06")
    exported = store.transfer.export(ada)
    store.profiles.delete(ada)
    assert not store.drafts.of(ada) and not store.attempts.of(ada)
    store.transfer.import_into(bob, exported)
    [draft] = store.drafts.of(bob, "mock")
    assert read(draft.field, draft.text) == ONE
    text = store.drafts.get(bob, "q05", f"mock.{ONE.id}")
    assert text is not None and text.text == "Shapes first"
    assert ONE.attempt("q06") in {attempt.id for attempt in store.attempts.of(bob)}
