"""The study page: nothing is given away early; hints, predictions, ticks and scores are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from pages.ui.site import store
from questions import Question, Renderer, load_question, load_questions
from study.store import Attempt, Store
from tests.pages.conftest import CountingClient, OpenApp, settle_predictions
from tests.pages.shown_words import stumbles

WRITTEN = [question for question in load_questions() if question.written]
Q6, Q11, Q13 = "q06_gqa", "q11_nan", "q13_sampling"


def sent(app: AppTest) -> str:
    """Every text of the page that reaches the browser."""

    def texts(message) -> Iterator[str]:
        for field, value in message.ListFields():
            for one in value if field.is_repeated else [value]:
                if isinstance(one, str):
                    yield one
                elif isinstance(one, Message):
                    yield from texts(one)

    def blocks(block) -> Iterator[str]:
        for child in block.children.values():
            if isinstance(getattr(child, "proto", None), Message):
                yield from texts(child.proto)
            if hasattr(child, "children"):
                yield from blocks(child)

    return "\n".join(blocks(app._tree))


def current(study: Store, name: str) -> Attempt:
    return study.attempts.of(study.profiles.named()[0].id, name)[0]


def secrets(question: Question, lang: str) -> list[str]:
    """Sentences that only somebody who opened the reference may read."""
    renderer = Renderer(question, lang)
    claims = [
        renderer.text(text, claim) for claim in question.claims for text in (claim.statement, claim.truth)
    ]
    lines = [renderer.text(line.text) for line in question.rubric]
    answers = [renderer.text(one.answer) for one in question.follow_ups]
    return [*claims, *lines, *answers, *(renderer.fill(part.body) for part in question.prose[lang].answer)]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_nothing_of_the_reference_is_there_before_it_is_opened(
    open_app: OpenApp, question: Question, lang: str
) -> None:
    app = open_app(question.slug, lang=lang)
    page = sent(app)
    assert question.title[lang] in page
    assert not [text for text in secrets(question, lang) if text in page]
    assert not app.checkbox


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_the_opened_reference_shows_answer_claims_and_rubric(
    open_app: OpenApp, question: Question, lang: str
) -> None:
    settle_predictions(question.slug)
    app = open_app(question.slug, lang=lang)
    app.button(key=f"{question.key}.reference").click().run()
    assert not app.exception and not app.error
    assert len(app.checkbox) == len(question.rubric)
    labels = "\n".join(expander.label for expander in app.expander)
    assert all(Renderer(question, lang).text(claim.statement, claim) in labels for claim in question.claims)
    assert not stumbles(app, lang)


def test_hints_open_one_by_one_and_are_kept(open_app: OpenApp, study: Store) -> None:
    app = open_app(Q6)
    hints = [Renderer(load_question(Q6), "en").text(hint) for hint in load_question(Q6).hints]
    for step in range(1, 4):
        app.button(key="q06.hint").click().run()
        shown = [hint for hint in hints if any(hint in element.value for element in app.markdown)]
        assert shown == hints[:step]
    assert current(study, "q06").help_used == ("hint-1", "hint-2", "hint-3")
    assert not [button for button in app.button if button.key == "q06.hint"]


def test_ticks_are_worth_their_tier_at_once_and_kept(open_app: OpenApp, study: Store) -> None:
    settle_predictions(Q11)
    app = open_app(Q11)
    app.button(key="q11.reference").click().run()
    rubric = load_question(Q11).rubric
    points = []
    for tier in (60, 80, 100):
        attempt = current(study, "q11")
        for line in rubric:
            if line.tier == tier:
                app.checkbox(key=f"q11.tick.{line.id}.{attempt.id[:8]}").check().run()
        points.append(next(element.value for element in app.markdown if element.value.startswith("## ")))
    assert [text.split()[1] for text in points] == ["60", "80", "100"]
    assert set(current(study, "q11").ticks) == {line.id for line in rubric if line.tier != "bonus"}
    app.button(key="q11.keep").click().run()
    assert current(study, "q11").tier == 100
    app.button(key="q11.again").click().run()
    assert current(study, "q11").finished is None and not app.checkbox


def test_the_reference_and_the_lab_wait_for_the_predictions(open_app: OpenApp, worker) -> None:
    app = open_app(Q13)
    keys = [button.key for button in app.button]
    assert "q13.reference" not in keys and "q13.write" not in keys
    assert not worker.submitted and not app.slider


def test_a_prediction_is_kept_and_set_beside_the_measurement(open_app: OpenApp, study: Store) -> None:
    app = open_app(Q13)
    app.text_input(key="q13.predict.hot-entropy").set_value("3,0").run()
    app.button(key="q13-predictions-commit").click().run()
    assert not app.exception
    attempt = current(study, "q13")
    assert attempt.predictions["hot-entropy"] == 3.0
    measured = attempt.measurements["hot-entropy"]
    said = next(element.value for element in app.markdown if "You said :violet" in element.value)
    assert "**3\N{NO-BREAK SPACE}nats**" in said and f"{measured:,.4g}" in said
    assert app.slider


def test_skipping_opens_the_lab_and_is_measured_when_asked_for(
    open_app: OpenApp, study: Store, inline: CountingClient
) -> None:
    app = open_app(Q13)
    inline.submitted.clear()
    app.button(key="q13-predictions-skip").click().run()
    assert current(study, "q13").predictions["hot-entropy"] is None and app.slider
    assert current(study, "q13").measurements == {} and "q13/manual" not in inline.submitted
    next(button for button in app.button if button.label == "Measure what I skipped").click().run()
    assert current(study, "q13").measurements and "q13/manual" in inline.submitted
    assert any("You skipped it; " in element.value for element in app.markdown)


def test_a_kept_draft_comes_back_without_naming_the_profile(open_app: OpenApp, study: Store) -> None:
    open_app(Q6)
    profile = study.profiles.named()[0].id
    study.drafts.save(profile, "q06", "answer", "Fewer heads", 3)
    data = next(
        json.loads(one.proto.json)
        for one in open_app(Q6).get("bidi_component")
        if one.proto.component_name == "draft"
    )
    assert (data["text"], data["revision"]) == ("Fewer heads", 3)
    assert profile not in data["storage"]


def test_a_broken_store_is_one_sentence(open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    from study.store import StoreError

    def fail(_question: Question) -> None:
        raise StoreError("The disk is full: free some space and try again.")

    monkeypatch.setattr(store, "attempt", fail)
    app = open_app(Q6)
    assert [error.value for error in app.error] == ["The disk is full: free some space and try again."]
    assert not app.exception


@pytest.mark.parametrize(("lang", "heading"), [("en", "Kata"), ("zh", "动手写")])
def test_a_kata_shows_its_task_and_says_that_nothing_is_run(
    open_app: OpenApp, lang: str, heading: str
) -> None:
    settle_predictions("q10_grad_scaler")
    app = open_app("q10_grad_scaler", lang=lang)
    assert "def scaler_trace(" not in sent(app)  # it gives parts of the answer away
    app.button(key="q10.reference").click().run()
    assert heading in [header.value for header in app.header]
    assert any(code.value.startswith("def scaler_trace(") for code in app.code)
    assert any("GradScaler" in element.value for element in app.markdown)


def test_the_neighbours_are_a_button_away(open_app: OpenApp) -> None:
    app = open_app(Q6)
    app.button(key="go-Q7").click().run()
    assert app.title[0].value == load_question("q07_rope").title["en"]
    app.button(key="go-Q6").click().run()
    assert app.title[0].value == load_question(Q6).title["en"]
