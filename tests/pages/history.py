"""What a diligent person leaves in a store: scored attempts with ten predictions each, interviews, mocks."""

from __future__ import annotations

import time
from dataclasses import dataclass

from questions import Question, load_questions
from study import interview as led
from study.mock import Mock, written
from study.store import Attempt, Store

PREDICTIONS = 10
"""For each attempt; what the question does not ask any more is among them."""
DAY = 86_400.0


@dataclass(frozen=True)
class History:
    """How much was done."""

    attempts: int
    interviews: int
    mocks: int


def fill(store: Store, owner: str, history: History, *, questions: int = 14) -> None:
    """Add it to what is there, spread over the first `questions` that are written."""
    asked = [question for question in load_questions() if question.written][:questions]
    first = time.time() - DAY * history.attempts
    for number in range(history.attempts):
        question = asked[number % len(asked)]
        store.attempts.add(_attempt(owner, question, first + DAY * number, number))
    for number in range(history.interviews):
        _interview(store, owner, [asked[(number + step) % len(asked)] for step in range(3)], number)
    for number in range(history.mocks):
        _mock(store, owner, asked[number % len(asked)], first + DAY * number)


def _attempt(owner: str, question: Question, moment: float, number: int) -> Attempt:
    numbers = [each.id for each in question.predictions if each.kind == "number"]
    names = [*numbers, *(f"gone-{count}" for count in range(PREDICTIONS))][:PREDICTIONS]
    return Attempt(
        owner,
        f"history-{moment:.0f}",
        question.key,
        moment,
        moment + 600,
        finished=moment + 600,
        text="Fewer KV heads. " * 60,
        predictions=dict.fromkeys(names, 3.0),
        measurements=dict.fromkeys(names, 4.0),
        ticks=tuple(line.id for line in question.rubric[:3]),
        seconds=500.0,
        tier=(40, 60, 80, 100)[number % 4],
    )


def _interview(store: Store, owner: str, asked: list[Question], number: int) -> None:
    interview = store.interviews.begin(owner, f"Candidate {number}", 45, [each.key for each in asked])
    add = store.interviews.add
    add(interview, led.CONSENTED)
    for question in asked:
        add(interview, led.SHOWN, question.key)
        store.interviews.save_text(interview, led.DRAFT, question.key, "Fewer KV heads. " * 60, 1)
        answers = {each.id: None for each in question.predictions}
        add(interview, led.PREDICTED, question.key, {"answers": answers})
        add(interview, led.NOTE, question.key, {"text": "asks back first"})
        add(interview, led.TICKED, question.key, {"line": question.rubric[number % 3].id})
    store.panels.hand_in(store.panels.invite(interview, "Barbara"))
    store.interviews.finish(interview, led.FINISHED)


def _mock(store: Store, owner: str, question: Question, moment: float) -> None:
    mock = Mock(
        f"{moment:.0f}",
        20,
        (question.key,),
        moment,
        at=question.key,
        seconds={question.key: 300.0},
        finished=moment + 600,
    )
    store.drafts.save(owner, "mock", mock.id, written(mock), 1)
    store.drafts.save(owner, question.key, f"mock.{mock.id}", "Fewer KV heads. " * 60, 1)
    store.attempts.add(
        Attempt(
            owner,
            mock.attempt(question.key),
            question.key,
            moment,
            moment + 600,
            finished=moment + 600,
            text="Fewer KV heads",
            help_used=("mock",),
            tier=60,
        )
    )
