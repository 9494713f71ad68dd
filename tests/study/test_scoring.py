"""Cumulative tiers, and their invariants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from questions import RubricLine, load_question
from study.scoring import highest, met_lines, score

TEXT = {"en": "a", "zh": "甲"}
LINES = tuple(
    RubricLine(name, tier, TEXT, decided_by)
    for name, tier, decided_by in (
        ("a", 60, None),
        ("b", 60, "prediction"),
        ("c", 80, None),
        ("d", 80, None),
        ("e", 100, "Q1-C1"),
        ("x", "bonus", None),
        ("y", "bonus", None),
    )
)
IDS = [line.id for line in LINES]
SUBSETS = st.sets(st.sampled_from(IDS))


@pytest.mark.parametrize(
    ("met", "points", "missing"),
    [
        ("", 0, "ab"),
        ("xy", 0, "ab"),
        ("a", 40, "b"),
        ("cde", 40, "ab"),
        ("e", 40, "ab"),
        ("ab", 60, "cd"),
        ("abc", 60, "d"),
        ("abe", 60, "cd"),
        ("abcd", 80, "e"),
        ("abcde", 100, ""),
        ("acde", 40, "b"),
    ],
)
def test_tiers_are_cumulative(met: str, points: int, missing: str) -> None:
    got = score(LINES, set(met))
    assert (got.points, got.missing) == (points, tuple(missing))


@given(SUBSETS, st.sampled_from(IDS))
def test_one_more_line_never_lowers_the_score(met: set[str], more: str) -> None:
    assert score(LINES, met | {more}).points >= score(LINES, met).points


@given(SUBSETS)
def test_bonus_is_a_badge_only(met: set[str]) -> None:
    without = score(LINES, met - {"x", "y"})
    assert score(LINES, met).points == without.points and without.bonus == ()
    assert set(score(LINES, met).bonus) == met & {"x", "y"}


@given(SUBSETS)
def test_mending_what_is_missing_reaches_the_next_tier(met: set[str]) -> None:
    steps = [0, 40, 60, 80, 100]
    before = score(LINES, met)
    after = score(LINES, met | set(before.missing))
    if before.points < 100:
        assert after.points >= min(step for step in steps if step > max(before.points, 40))
    assert not set(before.missing) & met


@given(SUBSETS, st.permutations(LINES))
def test_the_order_of_lines_does_not_matter(met: set[str], lines: list[RubricLine]) -> None:
    got, same = score(lines, met), score(LINES, met)
    assert (got.points, set(got.missing), set(got.bonus)) == (same.points, set(same.missing), set(same.bonus))


@given(
    SUBSETS, st.dictionaries(st.sampled_from(["prediction", "Q1-C1"]), st.sampled_from([True, False, None]))
)
def test_what_decides_beats_the_tick_and_nothing_else_does(
    ticked: set[str], decisions: dict[str, bool | None]
) -> None:
    met = met_lines(LINES, ticked, decisions)
    for line in LINES:
        decision = decisions.get(line.decided_by or "")
        assert (line.id in met) is (decision if decision is not None else line.id in ticked)


def test_a_skipped_prediction_leaves_the_line_to_the_tick() -> None:
    assert "b" in met_lines(LINES, {"b"}, {"prediction": None})
    assert "b" not in met_lines(LINES, {"b"}, {"prediction": False})
    assert "b" in met_lines(LINES, set(), {"prediction": True})


@given(
    SUBSETS, st.dictionaries(st.sampled_from(["prediction", "Q1-C1"]), st.sampled_from([True, False, None]))
)
def test_no_tick_reaches_more_than_the_highest_score(
    ticked: set[str], decisions: dict[str, bool | None]
) -> None:
    best = highest(LINES, decisions)
    assert score(LINES, met_lines(LINES, ticked, decisions)).points <= best
    assert score(LINES, met_lines(LINES, set(IDS), decisions)).points == best


def test_a_line_lost_by_a_prediction_puts_its_tier_out_of_reach() -> None:
    assert highest(LINES, {"prediction": False}) == 40 and highest(LINES, {"Q1-C1": False}) == 80
    assert highest(LINES, {"prediction": None}) == 100


def test_ids_that_no_rubric_knows_are_ignored() -> None:
    assert score(LINES, {"gone"}).points == 0


def test_a_real_rubric() -> None:
    rubric = load_question("q13_sampling").rubric
    every = {line.id for line in rubric}
    assert score(rubric, every).points == 100 and score(rubric, every - {"two-tasks"}).points == 60
