"""Sealed tickets on the pages: in an interview, for another attempt, and after a mock interview."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from labs.claims.checks import value_at
from pages.ui.experiments import experiment
from pages.ui.interview import kept
from pages.ui.interview.window import Window
from pages.ui.mock import kept as mocks
from pages.ui.progress import printed, tickets
from pages.ui.progress.words import Words
from pages.ui.words.i18n import catalogue
from pages.ui.words.question_text import renderer_of
from questions import Prediction, Renderer, load_question
from study import interview as led
from study.mock import read
from study.report import to_markdown
from study.store import Store
from tests.pages.conftest import CountingClient, OpenApp, no_run, plots, settle_predictions
from tests.pages.study.test_study_page import sent

Q13 = load_question("q13_sampling")
SAID = "It cuts a tail"


def me(study: Store) -> str:
    return study.profiles.named_or_new("Me").id


def measured_here(worker: CountingClient, asked: Prediction) -> float:
    """The true answer by a run of its own."""
    measuring = experiment(asked.experiment)
    params = measuring.params.from_dict(asked.params)
    job = worker.submit(asked.experiment, params)
    assert job.result is not None
    return float(value_at(measuring.complete(params, job.result), asked.measures))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_interviewer_draws_a_ticket_that_the_candidate_answers(
    open_app: OpenApp, study: Store, worker: CountingClient, lang: str
) -> None:
    interview = study.interviews.begin(me(study), "Grace", 45, (Q13.key,))
    for kind in (led.CONSENTED, led.SHOWN):
        study.interviews.add(interview, kind, Q13.key)
    console = open_app("interview", lang=lang, folded=True)
    console.button(key="interview.ticket.q13").click().run()
    first = kept.line(interview).shown.ticket
    console.button(key="interview.ticket.q13").click().run()
    text = kept.line(interview).shown.ticket
    assert first and text != first and text in sent(console), "until it is answered it can be drawn again"
    ticket = tickets.of_text(text)
    assert ticket is not None and "next_token" not in " ".join(worker.submitted), "nobody has measured it"
    app = open_app("present", lang=lang, folded=True, link=interview.link)
    assert text in sent(app) and Renderer(Q13, lang).text(ticket.prediction.question) in sent(app)
    app.text_input(key=f"q13.predict.{ticket.prediction.id}").set_value("1.5").run()
    app.button(key="q13-predictions-commit").click().run()
    assert not app.exception and not app.error
    work = kept.line(interview).record(Q13.key).work
    assert work.predictions == {ticket.prediction.id: 1.5}
    assert work.measurements[ticket.prediction.id] == measured_here(worker, ticket.prediction)
    assert f"--ticket {text}" in app.code[0].value and not study.attempts.of(me(study))
    again = open_app("interview", lang=lang, folded=True)
    assert "interview.ticket.q13" not in {button.key for button in again.button}, "an answer stays"
    assert text in sent(again)


def test_another_attempt_may_take_a_ticket_which_is_always_the_same(
    open_app: OpenApp, study: Store, worker: CountingClient
) -> None:
    settle_predictions("q13_sampling")
    assert "Sealed ticket" not in sent(open_app("q13_sampling", folded=True)), "the first attempt has none"
    study.attempts.finish(study.attempts.open(me(study), "q13"), 60)
    settle_predictions("q13_sampling")
    app = open_app("q13_sampling", folded=True)
    attempt = study.attempts.of(me(study), "q13")[0]
    ticket = tickets.of_attempt(Q13, attempt.id)
    assert ticket is not None and ticket.text in sent(app)
    assert not [name for name in attempt.measurements if name.startswith("ticket.")]
    app.text_input(key=f"q13.predict.{ticket.prediction.id}").set_value("1.5").run()
    app.button(key="q13-predictions-commit").click().run()
    assert not app.exception and not app.error
    kept_now = study.attempts.of(me(study), "q13")[0]
    measured = measured_here(worker, ticket.prediction)
    assert kept_now.predictions[ticket.prediction.id] == 1.5
    assert kept_now.measurements[ticket.prediction.id] == measured
    report = to_markdown(printed.report(renderer_of(Q13), kept_now, 2, Words("en"), no_run))
    assert "temperature=" in report and f"{measured:.4g}" in report
    assert ticket.text in sent(open_app("q13_sampling", folded=True))
    study.attempts.finish(kept_now, 60)
    drawn = [trace for figure in plots(open_app("progress")) for trace in figure["data"]]
    places = [place for trace in drawn for place in zip(trace["x"], trace["y"], strict=True)]
    assert (measured, 1.5) in places, "a changed re-test is calibrated: nobody had seen its number"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_lab_waits_for_an_open_ticket(
    open_app: OpenApp, study: Store, worker: CountingClient, lang: str
) -> None:
    """Or a run of it with the ticket's settings, and even its formula, would say the answer."""
    attempt = settle_predictions("q13_sampling")
    assert has_lab(open_app("q13_sampling", lang=lang))
    study.attempts.finish(attempt, 60)
    settle_predictions("q13_sampling")
    app = open_app("q13_sampling", lang=lang)
    assert not has_lab(app) and catalogue(lang)["ticket.lab_waits"] in sent(app)
    app.button(key="q13-predictions-skip").click().run()
    assert has_lab(app) and catalogue(lang)["ticket.lab_waits"] not in sent(app)


def test_the_candidates_lab_waits_for_the_ticket_too(open_app: OpenApp, study: Store) -> None:
    interview = study.interviews.begin(me(study), "Grace", 45, (Q13.key,))
    for kind, data in ((led.CONSENTED, {}), (led.SHOWN, {}), (led.RELEASED, {"part": led.LAB})):
        study.interviews.add(interview, kind, Q13.key, data)
    Window(interview.link or "").record_predictions(Q13, {each.id: None for each in Q13.predictions})
    assert has_lab(open_app("present", link=interview.link))
    study.interviews.add(interview, led.DRAWN, Q13.key, {"ticket": tickets.anew(Q13).text})
    app = open_app("present", link=interview.link)
    assert not has_lab(app) and catalogue("en")["ticket.lab_waits"] in sent(app)
    app.button(key="q13-predictions-skip").click().run()
    assert has_lab(app) and not app.exception and not app.error


def has_lab(app: AppTest) -> bool:
    """Whether something can be measured."""
    return any(str(button.key).endswith((".bench.run", ".write")) for button in app.button)


def test_a_ticket_of_another_version_stays_in_the_report_by_its_text(study: Store) -> None:
    attempt = settle_predictions("q13_sampling")
    attempt = study.attempts.predict(attempt, "ticket.Q13-00-0001-00", 3.0)
    report = to_markdown(printed.report(renderer_of(Q13), attempt, 1, Words("en"), no_run))
    assert "Q13-00-0001-00" in report and "no longer" in report


def test_after_a_mock_interview_with_tickets_each_answer_has_one_before_the_reference(
    open_app: OpenApp, study: Store
) -> None:
    app = open_app("mock")
    app.radio(key="mock.how").set_value("by_hand").run()
    app.multiselect(key="mock.chosen").set_value([Q13.key]).run()
    app.toggle(key="mock.tickets").set_value(True).run()
    app.button(key="mock.begin").click().run()
    [draft] = study.drafts.of(me(study), "mock")
    mock = read(draft.field, draft.text)
    assert mock is not None and mock.tickets
    study.drafts.save(me(study), Q13.key, f"mock.{mock.id}", "softmax of z / T", 1)
    app.button(key="mock.finish").click().run()
    assert "Sealed ticket" not in sent(app)
    app.button(key="mock.finish_now").click().run()
    [attempt] = mocks.attempts(mock).values()
    for prediction in Q13.predictions:
        study.attempts.predict(attempt, prediction.id, None)
    app = open_app("mock")
    ticket = tickets.of_attempt(Q13, attempt.id)
    assert ticket is not None and ticket.text in sent(app) and SAID not in sent(app)
    app.button(key="q13-predictions-skip").click().run()
    assert SAID in sent(app) and not app.exception and not app.error
