"""Scores in their order, and the time that answers took beside what their questions allow."""

from __future__ import annotations

from questions import load_question
from study.history import by_part, over_time
from study.store import Attempt

Q6, Q13 = load_question("q06_gqa"), load_question("q13_sampling")


def attempt(question: str, finished: float | None, points: int | None, seconds: float = 60.0) -> Attempt:
    moment = finished or 0.0
    return Attempt(
        profile="me",
        id=f"{question}.{moment}",
        question=question,
        started=moment,
        changed=moment,
        finished=finished,
        tier=points,  # type: ignore[arg-type]
        text="",
        seconds=seconds,
    )


def test_the_mean_is_of_the_newest_score_of_each_question() -> None:
    attempts = [
        attempt("q13", 3.0, 100),
        attempt("q06", 1.0, 40),
        attempt("q06", 2.0, 80),
        attempt("q01", None, None),
    ]
    seen = [(each.question, each.points, each.mean) for each in over_time(attempts)]
    assert seen == [("q06", 40, 40.0), ("q06", 80, 80.0), ("q13", 100, 90.0)]


def test_a_part_counts_every_scored_answer_and_only_those() -> None:
    answers = [attempt("q06", None, None, 999.0), attempt("q06", 2.0, 80), attempt("q06", 1.0, 40)]
    totals = by_part([(Q6, answers), (Q13, [])])
    assert (totals[2].scored, totals[2].questions, totals[2].median, totals[2].seconds) == (1, 1, 80, 120.0)
    assert totals[2].allowed == 2 * 60 * Q6.minutes[1]
    assert (totals[4].scored, totals[4].median, totals[4].seconds) == (0, None, 0.0)
