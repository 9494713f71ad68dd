"""When a question is due again, and the plan towards an interview."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from fsrs import Card, Rating, Scheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from study.plan import MOST_LAST_DAYS, plan
from study.progress import standing
from study.review import review
from study.scoring import Points
from study.store import Attempt

DAY = 86_400.0
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


def scored(*points_and_days: tuple[Points, float]) -> list[Attempt]:
    """Finished attempts, newest first, each so many days after the first."""
    return [
        Attempt("me", str(number), "q06", BEGAN, BEGAN, finished=BEGAN + DAY * days, tier=points)
        for number, (points, days) in enumerate(points_and_days)
    ][::-1]


def test_nothing_is_due_before_a_score() -> None:
    assert review([]) is None and review([Attempt("me", "a", "q06", BEGAN, BEGAN)]) is None
    assert standing("q06", [Attempt("me", "a", "q06", BEGAN, BEGAN)]).due is None


def test_it_is_what_the_scheduler_says_for_the_same_ratings() -> None:
    """The reference is FSRS itself, fed by hand in whole days."""
    scheduler = Scheduler(learning_steps=(), relearning_steps=(), enable_fuzzing=False)
    card = Card(card_id=9)
    for rating, days in ((Rating.Hard, 0), (Rating.Again, 1), (Rating.Good, 3), (Rating.Easy, 9)):
        moment = datetime.fromtimestamp(BEGAN + DAY * days, UTC)
        card, _ = scheduler.review_card(card, rating, moment)
    found = review(scored((60, 0), (40, 1), (80, 3), (100, 9)))
    assert found is not None and found.due == card.due.timestamp() and found.points == 100
    later = datetime.fromtimestamp(BEGAN + DAY * 40, UTC)
    assert found.recall(BEGAN + DAY * 40) == scheduler.get_card_retrievability(card, later)


def test_a_better_score_is_due_later() -> None:
    due = [review(scored((points, 0))).due for points in (40, 60, 80, 100)]  # type: ignore[union-attr]
    assert due == sorted(due) and due[0] < due[2] < due[3]
    assert review(scored((0, 0))) == replace(review(scored((40, 0))), points=0)  # type: ignore[type-var]


def test_the_order_in_which_attempts_come_does_not_matter() -> None:
    attempts = scored((60, 0), (80, 4), (100, 11))
    assert {review(list(order)) for order in itertools.permutations(attempts)} == {review(attempts)}


@given(
    st.lists(st.tuples(st.sampled_from([0, 40, 60, 80, 100]), st.floats(0, 4000)), min_size=1, max_size=6),
    st.floats(-10, 5000),
)
@settings(max_examples=40, deadline=None)
def test_recall_falls_from_one_and_is_nine_in_ten_when_due(
    history: list[tuple[Points, float]], days: float
) -> None:
    found = review(scored(*history))
    assert found is not None and found.due > found.last
    assert found.recall(found.last - DAY) == found.recall(found.last) == 1.0
    assert (
        0 <= found.recall(found.last + DAY * (days + 11)) <= found.recall(found.last + DAY * (days + 10)) <= 1
    )
    assert found.recall(found.last + DAY * 365) < 1
    if 1 <= found.stability <= 364:  # due is a whole day, and a year later at most
        assert found.recall(found.due - DAY) >= 0.9 - 1e-9 and found.recall(found.due + DAY) <= 0.9 + 1e-9


QUESTIONS = [f"q{number:02d}" for number in range(1, 15)]
TODAY = date(2026, 3, 1)


@given(
    st.integers(0, 60),
    st.dictionaries(st.sampled_from(QUESTIONS), st.tuples(st.integers(-9, 70), st.floats(0, 1))),
)
@settings(max_examples=60, deadline=None)
def test_a_plan_holds_every_question_once_more_and_nothing_after_the_interview(
    left: int, known: dict[str, tuple[int, float]]
) -> None:
    due = {name: TODAY + timedelta(days=days) for name, (days, _) in known.items()}
    recall = {name: share for name, (_, share) in known.items()}
    on = TODAY + timedelta(days=left)
    days = plan(QUESTIONS, due, recall, TODAY, on)
    assert [day.day for day in days] == sorted({day.day for day in days})
    assert all(TODAY <= day.day < on and day.new + day.due + day.last for day in days)
    if not left:
        assert not days
        return
    last = [name for day in days for name in day.last]
    assert sorted(last) == QUESTIONS
    shares = [recall.get(name, 0.0) for name in last]
    assert shares == sorted(shares, reverse=True), "the weakest come last"
    assert len([day for day in days if day.last]) <= MOST_LAST_DAYS
    new = [name for day in days for name in day.new]
    assert new == [name for name in QUESTIONS if name not in due] or left == 1
    first_last = next(day.day for day in days if day.last)
    for day in days:
        assert not (day.day >= first_last and (day.new or day.due))
        assert all(day.day == max(due[name], TODAY) for name in day.due)
    again = {name for day in days for name in day.due}
    assert again == {name for name in due if max(due[name], TODAY) < first_last}
    per_day = [len(day.last) for day in days if day.last]
    assert max(per_day) - min(per_day) <= 1


def test_the_last_days_go_through_everything_once_and_no_question_comes_back() -> None:
    """Day by day, as somebody who keeps to the plan sees it: what was done today is gone tomorrow."""
    on, done = TODAY + timedelta(days=30), dict[str, date]()
    recall = {name: number / 20 for number, name in enumerate(QUESTIONS)}
    seen = []
    for today in (on - timedelta(days=left) for left in range(MOST_LAST_DAYS, 0, -1)):
        days = plan(QUESTIONS, dict.fromkeys(QUESTIONS, TODAY), recall, today, on, done)
        assert days[0].day == today and days[0].last and not days[0].due
        for number, name in enumerate(days[0].last):
            now = plan(QUESTIONS, dict.fromkeys(QUESTIONS, TODAY), recall, today, on, done)
            assert now[0].day == today and now[0].last == days[0].last[number:] and now[1:] == days[1:]
            done[name] = today
        tomorrow = plan(QUESTIONS, dict.fromkeys(QUESTIONS, TODAY), recall, today, on, done)
        assert tomorrow == days[1:], "who has done today's share is given no more"
        seen += days[0].last
    assert sorted(seen) == QUESTIONS and seen[-1] == QUESTIONS[0], "the weakest comes last"


def test_first_answers_of_today_are_no_reason_for_more_of_them_today() -> None:
    on, recall = TODAY + timedelta(days=30), dict.fromkeys(QUESTIONS, 0.9)
    days = plan(QUESTIONS, {}, {}, TODAY, on)
    assert days[0].day == TODAY and len(days[0].new) == 1
    due = dict.fromkeys(days[0].new, TODAY + timedelta(days=1))
    later = plan(QUESTIONS, due, recall, TODAY, on, begun=days[0].new)
    assert [day.new for day in later if day.new] == [day.new for day in days if day.new][1:]
    assert later[0].day > TODAY
