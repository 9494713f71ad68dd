"""Earlier attempts can be read on the question's page, also when the question has changed, and taken away."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from labs.claims.checks import value_at
from labs.contract import Params
from labs.runner.job import Job
from pages.ui.experiments import experiment
from pages.ui.progress import runs
from pages.ui.progress.plots import plots
from pages.ui.progress.printed import report
from pages.ui.progress.words import Words
from questions import Question, Renderer, load_question
from study.report import to_markdown
from study.report_html import to_html
from study.store import Attempt, Store
from tests.pages.conftest import CountingClient, OpenApp, no_run
from tests.pages.progress.conftest import Answered
from tests.pages.study.test_study_page import sent

Q6 = load_question("q06_gqa")
FIRST = Q6.predictions[0]
MEASURED = 1.2341


def document(attempt: Attempt, question: Question = Q6, language: str = "en", index: int = 1) -> str:
    return to_markdown(report(Renderer(question, language), attempt, index, Words(language), no_run))


def opened(app: AppTest, study: Store) -> AppTest:
    """The page with every attempt at question 6 unfolded."""
    for attempt in study.attempts.of(study.profiles.named()[0].id, "q06"):
        app.session_state[f"q06.attempt.{attempt.id}"] = True
    return app.run()


@pytest.mark.parametrize(
    ("lang", "label", "count"),
    [
        ("en", "Attempt 1 · 60 of 100", "Earlier attempts (1)"),
        ("zh", "第 1 次 · 60 分", "更早的作答（1 次）"),
    ],
)
def test_an_earlier_attempt_is_read_below_the_newest(
    open_app: OpenApp, answered: Answered, study: Store, lang: str, label: str, count: str
) -> None:
    answered("q06_gqa", points=60, said=4.0, measured=MEASURED, text="The first text")
    answered("q06_gqa", points=80, said=1.0, measured=1.0, text="The second text")
    app = opened(open_app("q06_gqa", lang=lang), study)
    assert not app.exception and not app.error
    [fold] = [each for each in app.expander if each.label.startswith(label)]
    assert [text.value for text in fold.text] == ["The first text"]
    assert any("1.234×" in element.value for element in fold.markdown)
    assert any(count in element.value for element in app.markdown)
    names = [button.proto.label for button in app.get("download_button")]
    assert len(names) == 4 and names[:2] == names[2:]


def test_nothing_is_drawn_before_the_first_score(open_app: OpenApp, answered: Answered) -> None:
    answered("q06_gqa", said=4.0)
    app = open_app("q06_gqa")
    assert "Your attempts" not in [header.value for header in app.header]
    assert not app.get("download_button")


def test_answering_again_shows_no_number_of_before_until_the_reference_is_open(
    open_app: OpenApp, answered: Answered, study: Store
) -> None:
    answered("q06_gqa", points=60, said=4.0, measured=MEASURED, text="The first text")
    study.attempts.open(study.profiles.named()[0].id, "q06")
    page = sent(opened(open_app("q06_gqa"), study))
    assert "The first text" in page and "Attempt 1 · 60 of 100" in page
    assert "1.234" not in page
    assert not [line for line in Q6.rubric if Renderer(Q6, "en").text(line.text) in page]


def test_a_finished_attempt_is_taken_away_from_the_page_with_its_device(
    open_app: OpenApp, study: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_app("q13_sampling")
    app.text_input(key="q13.predict.hot-entropy").set_value("3.0")
    next(button for button in app.button if button.label == "Commit").click().run()
    app.button(key="q13.reference").click().run()
    app.button(key="q13.keep").click().run()
    [attempt] = study.attempts.of(study.profiles.named()[0].id, "q13")
    question = load_question("q13_sampling")
    text = document(attempt, question)
    assert f"of {'100'}" in text and f"# {question.id}" in text
    assert "Measured on" in text and "torch" in text
    assert runs.where(attempt, "hot-entropy") in text.replace("\\", "")
    app.run()
    assert [button.proto.label for button in app.get("download_button")] == ["Web page (HTML)", "Markdown"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_document_holds_all_that_was_done(answered: Answered, study: Store, language: str) -> None:
    attempt = answered("q06_gqa", said=4.0, measured=MEASURED, text="2·L·H·d·S·b\n<b>bytes</b>")
    attempt = study.attempts.update(attempt, ticks=[Q6.rubric[0].id], help_used=["hint-2"])
    attempt = study.attempts.finish(attempt, 60)
    renderer, words = Renderer(Q6, language), Words(language)
    page = to_html([report(renderer, attempt, 3, words, no_run)], title="t", language=language)
    for said in (
        Q6.title[language],
        words("score.points", points=60),
        words("progress.minutes", minutes=7),
        words("hints.step", step=2),
        "4×",
        "1.234×",
        "1.52",
        "2·L·H·d·S·b\n&lt;b&gt;bytes&lt;/b&gt;",
    ):
        assert said in page, said
    assert page.count("☑") >= 1 and page.count("☐") + page.count("☑") == len(Q6.rubric)


@pytest.mark.parametrize(("said", "verdict"), [(1.234, "✓ exact"), (1.25, "✓ close enough"), (4.0, "✗ off")])
def test_a_document_calls_an_exact_hit_exact(
    answered: Answered, study: Store, said: float, verdict: str
) -> None:
    attempt = study.attempts.finish(answered("q06_gqa", said=said, measured=MEASURED), 60)
    assert verdict in to_html(
        [report(Renderer(Q6, "en"), attempt, 1, Words("en"), no_run)], title="t", language="en"
    )


def test_an_attempt_stays_readable_when_predictions_and_lines_are_gone(
    answered: Answered, study: Store
) -> None:
    attempt = answered("q06_gqa", said=4.0, measured=MEASURED)
    attempt = study.attempts.update(attempt, ticks=[Q6.rubric[0].id])
    attempt = study.attempts.finish(attempt, 40)
    changed = replace(Q6, predictions=Q6.predictions[1:], rubric=Q6.rubric[1:])
    text = document(attempt, changed)
    assert f"| {FIRST.id} | 4 | – | 1.234 |" in text.replace("\\", "") and "no longer asked" in text
    assert f"no longer in the rubric: {Q6.rubric[0].id}." in text.replace("\\", "")


def test_a_choice_that_has_another_name_now_is_a_dash(study: Store, answered: Answered) -> None:
    choice = next(each for each in Q6.predictions if each.kind == "choice")
    attempt = study.attempts.open(study.profiles.named_or_new("Me").id, "q06")
    attempt = study.attempts.predict(attempt, choice.id, "an old name")
    text = document(study.attempts.finish(attempt, 0))
    assert "an old name" not in text and "| – | – | – | – |" in text


@pytest.mark.parametrize(
    "stored",
    [None, 7, "x", [], {"device": 3, "versions": []}, {"device": "<b>", "versions": {"torch": None}}],
)
def test_any_note_of_a_run_can_be_read(answered: Answered, stored: object) -> None:
    attempt = replace(answered("q06_gqa", points=0), measurements={f"run:{FIRST.id}": stored})
    assert isinstance(runs.where(attempt, FIRST.id), str)
    assert "<b>" not in document(attempt)


def test_a_range_is_shown_with_its_limits(answered: Answered) -> None:
    stored = {FIRST.id: 4.0, f"{FIRST.id}.low": 2.0, f"{FIRST.id}.high": 8.0}
    attempt = replace(answered("q06_gqa", points=0), predictions=stored)
    assert "4× (2× to 8×)" in document(attempt) and "no longer asked" not in document(attempt)


def svgs(page: str) -> list[str]:
    return re.findall(r"<svg.*?</svg>", page, re.DOTALL)


def test_a_document_has_the_plots_of_its_predictions_recorded_where_no_run_is_kept(
    answered: Answered,
) -> None:
    attempt = answered("q06_gqa", said=4.0, measured=MEASURED, points=60)
    for language, recorded in (("en", "Recorded on"), ("zh", "上记录")):
        words = Words(language)
        page = to_html(
            [report(Renderer(Q6, language), attempt, 1, words, no_run)], title="t", language=language
        )
        experiments = {(each.experiment, str(each.params)) for each in Q6.predictions}
        assert 1 <= len(svgs(page)) <= len(experiments) and recorded in page
        text = document(attempt, language=language)
        assert words("q06.decode.title") in text and "<svg" not in text
        assert text.index(words("report.plots")) < text.index(words("report.rubric"))


def test_its_own_run_is_drawn_where_it_is_kept_and_no_other(
    worker: CountingClient, study: Store, answered: Answered
) -> None:
    question = load_question("q13_sampling")
    asked = question.prediction("hot-entropy")
    job = worker.submit(asked.experiment, asked.params)
    params = experiment(asked.experiment).params.from_dict(asked.params)
    measured = value_at(experiment(asked.experiment).complete(params, job.result or {}), asked.measures)

    def found(name: str, params: Params) -> Job | None:
        return job if name == asked.experiment and job.params == params else None

    for number, said in ((float(measured), "Measured on"), (float(measured) + 1, "Recorded on")):
        attempt = replace(answered("q13_sampling", points=0), measurements={asked.id: number})
        [drawn, *_] = plots(
            Renderer(replace(question, predictions=(asked,)), "en"), attempt, Words("en"), found
        )
        assert drawn.source.startswith(said) and "torch" in drawn.source
        assert drawn.svg.startswith("<svg") and drawn.table is not None


def test_what_the_formula_alone_decides_is_not_called_measured(study: Store) -> None:
    question = load_question("q13_sampling")
    attempt = study.attempts.open(study.profiles.named_or_new("Me").id, "q13")
    attempt = study.attempts.predict(attempt, "top-probability", 0.5)
    attempt = study.attempts.measure(attempt, "top-probability", 0.6612)
    text = document(study.attempts.finish(attempt, 0), question)
    assert "| 0.5 | 0.6612 | – |" in text
