"""A panel: blind until all have handed in, and agreement as Krippendorff computes it."""

from __future__ import annotations

import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.interview import SHOWN, TICKED, UNTICKED
from study.panel import Marks, alpha, differing, difficulties, everywhere, ratings, revealed
from study.store import Event, Interview, Member

GRACE = Interview("ada", "i", "Grace", 45, ("q06", "q13"), 0.0, finished=90.0)
EVENTS = (
    Event(1.0, SHOWN, "q06"),
    Event(2.0, TICKED, "q06", {"line": "bytes"}),
    Event(3.0, TICKED, "q06", {"line": "heads"}),
    Event(4.0, UNTICKED, "q06", {"line": "heads"}),
)
BARBARA = Member("ada", "i", "b", "Barbara", {"q06": ("bytes", "heads")}, handed=95.0)
LINES = (("q06", "bytes"), ("q06", "heads"), ("q06", "never"), ("q13", "unasked"))

OBSERVERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)
"""Krippendorff 2011, section C: nominal data, four observers, missing values."""
TWO = ((0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0))
"""The same, section A: binary data, two observers."""


@pytest.mark.parametrize(("observers", "published"), [(OBSERVERS, 0.743), (TWO, 0.095)])
def test_the_published_examples(observers: tuple[tuple[int | None, ...], ...], published: float) -> None:
    found = alpha(zip(*observers, strict=True))
    assert found is not None and round(found, 3) == published


@given(
    st.integers(2, 5).flatmap(
        lambda raters: st.lists(
            st.lists(st.sampled_from([0, 1, 2, None]), min_size=raters, max_size=raters), min_size=2
        )
    )
)
def test_alpha_is_that_of_the_listed_package(units: list[list[int | None]]) -> None:
    table = np.array([[math.nan if value is None else value for value in unit] for unit in units]).T
    paired = [unit for unit in units if sum(value is not None for value in unit) > 1]
    found = alpha(units)
    if len({value for unit in paired for value in unit if value is not None}) < 2:
        assert found is None
        return
    assert found == pytest.approx(krippendorff.alpha(table, level_of_measurement="nominal"), abs=1e-9)


def test_nothing_is_revealed_before_the_end_and_before_all_have_handed_in() -> None:
    waiting = Member("ada", "i", "c", "Charles")
    running = Interview("ada", "i", "Grace", 45, ("q06",), 0.0)
    assert revealed(running, EVENTS, (BARBARA,)) is None
    assert revealed(GRACE, EVENTS, (BARBARA, waiting)) is None
    assert revealed(GRACE, EVENTS, ()) is None, "alone is no panel"
    late = Event(96.0, TICKED, "q06", {"line": "never"})
    mine, hers = revealed(GRACE, (*EVENTS, late), (BARBARA,)) or ()
    assert (mine.name, hers.name) == ("", "Barbara")
    assert ratings(LINES, (mine, hers)) == [[True, True], [False, True], [False, False], [None, None]]
    assert differing(LINES, (mine, hers)) == (("q06", "heads"),)


def test_a_line_is_as_hard_as_few_tick_it_where_its_question_was_asked() -> None:
    waiting = Member("ada", "i", "c", "Charles", {"q06": ("never",)})
    elsewhere = Member("ada", "gone", "d", "Dorothy", {"q06": ("never",)}, handed=95.0)
    marks = everywhere([(GRACE, EVENTS)], (BARBARA, waiting, elsewhere))
    found = difficulties(marks, LINES)
    assert {line: (each.ticks, each.marks, each.share) for line, each in found.items()} == {
        LINES[0]: (2, 2, 1.0),
        LINES[1]: (1, 2, 0.5),
        LINES[2]: (0, 2, 0.0),
    }


def test_whose_question_was_not_asked_says_nothing_of_its_lines() -> None:
    assert Marks("x", frozenset({"q06"}), {"q13": frozenset({"unasked"})}).of(LINES[3]) is None
