"""Which variant a ticket draws: valid, the same everywhere, and known to nobody before it was measured."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.claims import recordings
from labs.claims.checks import value_at
from labs.contract.registry import ROOT, Registry
from labs.runner.inline import InlineClient
from labs.tickets import MOST_SEEDS, Ticket, TicketError, draw, read, seed_from, variants
from questions import Question, Renderer, load_questions

REGISTRY = Registry.discover()
QUESTIONS = load_questions()
WITH_TICKETS = [question for question in QUESTIONS if question.tickets]
QUICK_SECONDS = 0.6


def known_runs(question: Question, experiment: str) -> list[dict[str, Any]]:
    params = REGISTRY.find(experiment).params
    records = (*recordings.recorded(experiment), *recordings.variants(experiment))
    seen = [record["params"] for record in records]
    seen += [dict(each.params) for each in question.predictions if each.experiment == experiment]
    return [params.from_dict(each).measured() for each in ({}, *seen)]


@given(st.sampled_from(WITH_TICKETS), st.integers(0, MOST_SEEDS - 1))
@settings(deadline=None, max_examples=60)
def test_a_ticket_is_valid_and_its_text_draws_it_again(question: Question, seed: int) -> None:
    ticket = draw(question, seed, REGISTRY)
    experiment = REGISTRY.find(ticket.prediction.experiment)
    params = experiment.params.from_dict(ticket.prediction.params)
    assert read(ticket.text.lower(), QUESTIONS, REGISTRY) == ticket
    assert read(ticket.prediction.id, QUESTIONS, REGISTRY) == ticket
    assert params.measured() not in known_runs(question, experiment.id)
    for language in ("en", "zh"):
        said = Renderer(question, language).text(ticket.prediction.question)
        assert all(f"`{name}=" in said for name in ticket.prediction.params)


@pytest.mark.parametrize("question", WITH_TICKETS, ids=lambda question: question.key)
def test_every_value_of_the_file_can_be_drawn(question: Question) -> None:
    found = variants(question, REGISTRY)
    for variation in question.tickets:
        drawn = [settings for each, settings in found if each is variation]
        assert len(drawn) >= 2
        for name, values in variation.vary.items():
            assert {settings[name] for settings in drawn} == set(values), (variation.prediction.id, name)


@pytest.mark.parametrize("question", WITH_TICKETS, ids=lambda question: question.key)
def test_no_answer_is_instant_and_a_formula_stays_within_the_limits(question: Question) -> None:
    for variation, drawn in variants(question, REGISTRY):
        asked = variation.prediction
        experiment = REGISTRY.find(asked.experiment)
        params = experiment.params.from_dict({**asked.params, **drawn})
        assert not experiment.instant, "an instant answer is there before anybody measures"
        formula = experiment.formula(params)
        if formula is None:
            continue
        try:
            value = value_at(experiment.complete(params, formula), asked.measures)
        except (LookupError, TypeError):  # the formula says another number of this experiment
            continue
        assert asked.limits.refusal(float(value)) is None


QUICK = [
    pytest.param(ticket, id=ticket.text)
    for question in WITH_TICKETS
    for ticket in (draw(question, 1, REGISTRY),)
    if REGISTRY.find(ticket.prediction.experiment).seconds(
        REGISTRY.find(ticket.prediction.experiment).params.from_dict(ticket.prediction.params), "cpu"
    )
    < QUICK_SECONDS
]


@pytest.mark.parametrize("ticket", QUICK)
def test_a_ticket_is_answered_by_its_run(ticket: Ticket) -> None:
    experiment = REGISTRY.find(ticket.prediction.experiment)
    params = experiment.params.from_dict(ticket.prediction.params)
    job = InlineClient.start("cpu").submit(experiment.id, params)
    assert job.result is not None, job.error
    measured = ticket.measured(experiment.complete(params, job.result))
    choices = {choice.id for choice in ticket.prediction.choices}
    assert measured in choices or ticket.prediction.limits.refusal(float(measured)) is None


def test_another_process_draws_the_same() -> None:
    """Neither the order of a set nor a hash of this process is in a ticket."""
    code = (
        "from labs.contract.registry import Registry; from labs.tickets import draw;"
        "from questions import load_question;"
        "print(draw(load_question('q06_gqa'), 4711, Registry.discover()).prediction)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    question = next(each for each in QUESTIONS if each.key == "q06")
    assert run.stdout.strip() == str(draw(question, 4711, REGISTRY).prediction)


def test_a_ticket_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    question = next(each for each in QUESTIONS if each.key == "q06")
    ticket = draw(question, 4711, REGISTRY)
    monkeypatch.setattr(type(REGISTRY.find(ticket.prediction.experiment)), "version", 99)
    with pytest.raises(TicketError, match="another version of Q6") as caught:
        read(ticket.text, QUESTIONS, REGISTRY)
    assert caught.value.key == "ticket.other_version"


def test_a_ticket_of_a_question_that_is_not_here_is_refused() -> None:
    question = next(each for each in QUESTIONS if each.key == "q06")
    ticket = draw(question, 4711, REGISTRY)
    with pytest.raises(TicketError, match="no question Q06 here"):
        read(ticket.text, [each for each in QUESTIONS if each.key != "q06"], REGISTRY)


def test_a_question_without_tickets_says_so() -> None:
    with pytest.raises(TicketError, match="Q1 has no tickets"):
        draw(replace(QUESTIONS[0], tickets=()), 1, REGISTRY)


def test_a_name_has_one_seed() -> None:
    assert seed_from("attempt") == seed_from("attempt") != seed_from("attempt2")
    assert 0 <= seed_from("attempt") < MOST_SEEDS


@pytest.mark.parametrize("file", ["README.md", "labs/__main__.py"])
def test_a_ticket_that_is_shown_as_an_example_can_be_run(file: str) -> None:
    [shown] = re.findall(r"labs run --ticket (\S+)", (ROOT / file).read_text(encoding="utf-8"))
    assert read(shown, QUESTIONS, REGISTRY).text == shown
