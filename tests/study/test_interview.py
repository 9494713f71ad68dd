"""What a line of events means, and what of it a candidate may see."""

from __future__ import annotations

from dataclasses import fields

import pytest

from study import interview as led
from study.interview import Released, Work, as_attempt, choose, record, released, seconds_used
from study.store import Event, Interview

START = 1_795_600_000.0
GRACE = Interview("ada", "i1", "Grace", 45, ("q06", "q13"), START, link="secret-link")
SECRETS = ("counts query heads", "line-shapes", "secret-link", "ada")


def at(seconds: float, kind: str, question: str = "", **data: object) -> Event:
    return Event(START + seconds, kind, question, data)


LINE = (
    at(0, led.CONSENTED),
    at(10, led.SHOWN, "q06"),
    at(20, led.DRAFT, "q06", text="fewer heads", revision=1),
    at(25, led.NOTE, "q06", text="counts query heads"),
    at(30, led.RELEASED, "q06", part="hint-1"),
    at(31, led.TICKED, "q06", line="line-shapes"),
    at(32, led.TICKED, "q06", line="line-gone"),
    at(33, led.UNTICKED, "q06", line="line-gone"),
    at(40, led.PAUSED),
    at(100, led.RESUMED),
    at(110, led.RELEASED, "q06", part="predict"),
    at(120, led.PREDICTED, "q06", answers={"speedup": 4, "cache-size": None}),
    at(121, led.PREDICTED, "q06", answers={"speedup": 1}),
    at(125, led.MEASURED, "q06", name="speedup", value=1.08),
    at(130, led.DRAFT, "q06", text="an older window", revision=1),
    at(140, led.SHOWN, "q13"),
)


def test_nothing_private_is_in_what_a_candidate_may_see() -> None:
    for end in range(len(LINE) + 1):
        shown = repr(released(GRACE, LINE[:end], START + 150))
        assert not [secret for secret in SECRETS if secret in shown]
    names = {part.name for kind in (Released, Work) for part in fields(kind)}
    assert not names & {"notes", "ticks", "cues", "rubric", "link", "profile"}


def test_a_kind_that_nobody_knows_is_private() -> None:
    strange = at(11, "whispered", "q06", text="counts query heads")
    assert released(GRACE, (*LINE[:2], strange), START + 20) == released(GRACE, LINE[:2], START + 20)


def test_the_candidate_sees_what_is_released_of_the_question_that_is_shown() -> None:
    before = released(GRACE, LINE[:12], START + 130)
    assert (before.at, before.index, before.count, before.hints) == ("q06", 1, 2, 1)
    assert before.parts == {"hint-1", "predict"} and before.work.text == "fewer heads"
    after = released(GRACE, LINE, START + 150)
    assert after.at == "q13" and not after.parts and after.work == Work()
    taken_back = (*LINE[:12], at(131, led.WITHDRAWN, "q06", part="predict"))
    assert released(GRACE, taken_back, START + 132).parts == {"hint-1"}


def test_the_clock_stands_still_before_consent_in_a_pause_and_after_the_end() -> None:
    assert seconds_used((at(0, led.SHOWN, "q06"),), START + 50) == {}
    assert seconds_used(LINE, START + 150) == {"q06": 30.0 + 40.0, "q13": 10.0}
    ended = (*LINE, at(160, led.FINISHED))
    assert seconds_used(ended, START + 900) == {"q06": 70.0, "q13": 20.0}
    assert seconds_used((LINE[0], LINE[1], at(5, led.SHOWN, "q13")), START + 7) == {"q06": 0.0, "q13": 2.0}


def test_the_interviewer_has_everything_of_a_question() -> None:
    found = record(GRACE, LINE, "q06", START + 150)
    assert [note.data["text"] for note in found.notes] == ["counts query heads"]
    assert found.ticks == {"line-shapes"} and found.ever_released == {"hint-1", "predict"}
    attempt = as_attempt(GRACE, found)
    assert attempt.predictions == {"speedup": 4.0, "cache-size": None}
    assert (attempt.text, attempt.help_used, attempt.seconds) == ("fewer heads", ("hint-1",), 70.0)
    assert attempt.measurements == {"speedup": 1.08} and attempt.profile == ""


@pytest.mark.parametrize(
    "event",
    [
        at(20, led.DRAFT, "q06", text=3, revision="x"),
        at(20, led.PREDICTED, "q06", answers=[1]),
        at(20, led.TYPED, "q06", fields={"a": 3}),
        at(20, led.NOTE, "q06", text=None),
        at(20, led.SHOWN, "q99"),
        at(20, led.RELEASED, "q06"),
        at(20, led.MEASURED, "q06"),
    ],
)
def test_what_an_import_brought_in_breaks_nothing(event: Event) -> None:
    line = (*LINE[:2], event)
    assert released(GRACE, line, START + 30).at == "q06"
    assert record(GRACE, line, "q06", START + 30).work.text == ""


def test_a_set_fits_its_minutes_and_has_a_question_at_least() -> None:
    levels = {"q01": 1, "q05": 1, "q06": 2, "q14": 3}
    assert choose(levels, 45) == ("q01", "q05", "q06")
    assert choose(levels, 20) == ("q01", "q05") and choose({"q14": 3}, 20) == ("q14",)
    assert choose({}, 20) == ()
