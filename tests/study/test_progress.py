"""Where somebody stands with a question, from what the store holds, and where to go on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.progress import Standing, count_words, next_question, standing, summary
from study.store import Attempt

ASKED = ("speedup", "cache")
BEGUN = Attempt("me", "b", "q06", started=100.0, changed=200.0, seconds=430.0)
SCORED = replace(BEGUN, id="a", changed=50.0, finished=50.0, tier=60, help_used=("reference",))
SKIPPED = dict.fromkeys(ASKED)


@pytest.mark.parametrize(
    ("attempts", "draft", "stage", "step"),
    [
        ([], "", "new", "answer"),
        ([], " \n", "new", "answer"),
        ([], "Fewer heads", "draft", "predict"),
        ([BEGUN], "", "new", "answer"),
        ([replace(BEGUN, help_used=("hint-1",))], "", "draft", "answer"),
        ([replace(BEGUN, predictions={"speedup": 4.0})], "Fewer", "draft", "predict"),
        ([replace(BEGUN, predictions={"speedup": 4.0, "cache": None})], "", "predicted", "lab"),
        ([replace(BEGUN, predictions=SKIPPED)], "", "measured", "reference"),
        (
            [replace(BEGUN, predictions={"speedup": 4.0, "cache": None}, measurements={"speedup": 1.08})],
            "",
            "measured",
            "reference",
        ),
        ([replace(BEGUN, help_used=("reference",))], "Fewer", "reference", "score"),
        ([SCORED], "Fewer heads", "scored", "answer"),
        ([BEGUN, SCORED], "", "scored", "answer"),
        ([BEGUN, SCORED], "Fewer", "draft", "predict"),
    ],
)
def test_each_stage_and_what_comes_next(attempts: list[Attempt], draft: str, stage: str, step: str) -> None:
    found = standing("q06", attempts, draft, ASKED)
    assert (found.stage, found.step) == (stage, step)
    assert found.unfinished == (stage not in ("new", "scored"))


def test_a_question_without_a_lab_never_waits_for_predictions() -> None:
    assert standing("q01", [BEGUN], "Shift by one").step == "answer"
    assert standing("q01", [BEGUN]).stage == "new"


def test_the_newest_score_counts_while_the_question_is_answered_again() -> None:
    older = replace(SCORED, id="o", finished=10.0, tier=40)
    found = standing("q06", [BEGUN, SCORED, older], "Fewer KV heads", ASKED)
    assert (found.points, found.scored_at, found.attempts) == (60, 50.0, 2)
    assert (found.words, found.seconds, found.changed) == (3, 430.0, 200.0)


def test_the_median_is_of_the_newest_scores() -> None:
    scores = [Standing(f"q{points}", "scored", points=points) for points in (40, 60, 100)]
    assert summary([*scores, Standing("q01")]) == summary([Standing("q01"), *scores])
    assert (summary(scores).median, summary([Standing("q01")]).median) == (60, None)
    assert (summary([*scores, Standing("q01")]).scored, summary(scores).questions) == (3, 3)


def test_one_goes_on_with_what_was_left_last_then_with_the_next_then_with_the_weakest() -> None:
    new, older = Standing("q01"), Standing("q02", "draft", changed=1.0)
    newer = Standing("q03", "predicted", changed=2.0)
    weak = Standing("q04", "scored", points=40, scored_at=9.0)
    assert next_question([new, older, newer, weak], 0.0) is newer
    assert next_question([weak, new, Standing("q05")], 0.0) is new
    assert next_question([replace(weak, points=80), weak], 0.0) is weak
    due, longer = replace(weak, due=50.0), replace(weak, question="q05", points=100, due=40.0)
    assert (
        next_question([new, due, longer], 60.0) is longer
        and next_question([new, due, longer], 45.0) is longer
    )
    assert next_question([new, due, longer], 30.0) is new and next_question([newer, due], 60.0) is newer
    assert not replace(due, stage="draft").is_due(60.0)


@settings(deadline=None)
@given(st.text())
def test_words_are_counted_in_any_text(text: str) -> None:
    assert 0 <= count_words(text) <= len(text)
    assert count_words(f"{text} more") >= count_words(text)
