"""A mock interview on its page: drawn, answered without help, kept through a restart, scored at the end."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.mock import kept
from pages.ui.mock.report import whole
from pages.ui.mock.words import points
from pages.ui.progress.words import Words
from pages.ui.site import store
from questions import load_question
from study.mock import Mock, read, written
from study.progress import MOCK
from study.report import to_markdown
from study.store import Attempt, Store
from tests.pages.conftest import OpenApp
from tests.pages.progress.conftest import answered  # noqa: F401
from tests.pages.study.test_study_page import secrets, sent

Q5, Q6, Q13 = (load_question(slug) for slug in ("q05_shapes", "q06_gqa", "q13_sampling"))
WHOLE = (Q5, Q6, Q13)
SAID = "lets several of them share"
"""In the answer of 90 seconds to question 6."""


def me(study: Store) -> str:
    return study.profiles.named_or_new("Me").id


def the_mock(study: Store):
    [draft] = study.drafts.of(me(study), "mock")
    mock = read(draft.field, draft.text)
    assert mock is not None
    return mock


def begin_by_hand(app: AppTest, *questions) -> AppTest:
    app.radio(key="mock.how").set_value("by_hand").run()
    app.multiselect(key="mock.chosen").set_value([each.key for each in questions]).run()
    return app.button(key="mock.begin").click().run()


def write(study: Store, text: str, question) -> None:
    """As the field in the browser would have it saved."""
    mock = the_mock(study)
    study.drafts.save(me(study), question.key, f"mock.{mock.id}", text, 1)


def fields(app: AppTest) -> list[dict]:
    found = [each.proto for each in app.get("bidi_component")]
    return [json.loads(each.json) for each in found if each.component_name == "draft"]


@pytest.mark.parametrize(("lang", "lead"), [("en", "1 × senior (12 min)"), ("zh", "每题 12 分钟")])
def test_a_drawn_interview_shows_one_question_and_gives_nothing_away(
    open_app: OpenApp, study: Store, lang: str, lead: str
) -> None:
    app = open_app("mock", lang=lang)
    assert lead in sent(app)
    app.text_input(key="mock.seed").set_value("7").run()
    app.button(key="mock.begin").click().run()
    assert not app.exception and not app.error
    mock = the_mock(study)
    levels = [question.level for question in kept.asked(mock)]
    assert (mock.minutes, mock.seed, levels) == (45, 7, [1, 2, 3])
    for question in kept.asked(mock):
        app.segmented_control(key="mock.places").set_value(question.key).run()
        page = sent(app)
        assert app.title[0].value == question.title[lang]
        assert not [text for text in secrets(question, lang) if text in page]
        assert 'class="term"' not in page, "the glossary is a help too"
        assert question.hints[0][lang][:30] not in page and not app.checkbox
        [field] = fields(app)
        assert field["storage"].endswith(f"{question.key}.{mock.id}") and field["exam"] == {"before": 0}


@pytest.mark.parametrize("typed", ["", "0", "4.5", "1000000", "abc", "-3"])
def test_a_seed_that_is_none_is_refused_in_a_sentence(open_app: OpenApp, study: Store, typed: str) -> None:
    app = open_app("mock")
    app.text_input(key="mock.seed").set_value(typed).run()
    app.button(key="mock.begin").click().run()
    assert [error.value for error in app.error] == ["That is no seed: type a whole number from 1 to 999,999."]
    assert not study.drafts.of(me(study), "mock")


def test_nothing_chosen_and_too_much_chosen_are_said(open_app: OpenApp) -> None:
    app = open_app("mock")
    app.radio(key="mock.how").set_value("by_hand").run()
    assert "choose at least one" in app.button(key="mock.begin").click().run().error[0].value
    app.segmented_control(key="mock.minutes").set_value(20).run()
    app.multiselect(key="mock.chosen").set_value(["q06", "q13"]).run()
    assert any("about 24 minutes, which is more than your 20" in each.value for each in app.markdown)


def test_it_goes_on_where_it_was_in_another_session_and_leaves_the_pages_draft_alone(
    open_app: OpenApp, study: Store
) -> None:
    study.drafts.save(me(study), "q06", "answer", "half an answer of the page", 3)
    app = begin_by_hand(open_app("mock"), Q5, Q6)
    write(study, "Shapes first", Q5)
    app.button(key="mock.flag.q05").click().run()
    app.button(key="mock.next.q05").click().run()
    again = open_app("mock")
    assert again.title[0].value == Q6.title["en"] and not again.error
    assert fields(again)[0]["text"] == ""
    assert again.segmented_control(key="mock.places").options == ["1 ⚑", "2"]
    again.button(key="mock.back.q06").click().run()
    assert fields(again)[0]["text"] == "Shapes first"
    assert fields(open_app("q06_gqa"))[0]["text"] == "half an answer of the page"


def test_at_the_end_each_answer_is_scored_beside_the_reference(open_app: OpenApp, study: Store) -> None:
    begun = study.attempts.update(study.attempts.open(me(study), "q06"), help_used=["hint-1"])
    study.drafts.save(me(study), "q06", "answer", "half an answer of the page", 3)
    app = begin_by_hand(open_app("mock"), Q5, Q6, Q13)
    write(study, "Fewer KV heads", Q6)
    kept.add_seconds(the_mock(study), "q06", 540)
    app.button(key="mock.next.q05").click().run()
    app.button(key="mock.finish").click().run()
    red = [button.key for button in app.button if button.proto.type == "primary"]
    assert red == ["mock.finish_now"], "one button is what comes next"
    asked = "\n".join(each.value for each in app.markdown)
    assert "You have answered 1" in asked and "left empty: 1" in asked and "Never shown: 1" in asked
    app.button(key="mock.finish_now").click().run()
    assert not app.exception and not app.error
    mock = the_mock(study)
    by_key = kept_attempts(study, mock)
    assert set(by_key) == {"q05", "q06"}, "what was never shown leaves nothing"
    assert (by_key["q05"].tier, by_key["q06"].tier) == (0, None)
    assert by_key["q06"].text == "Fewer KV heads" and by_key["q06"].seconds == 540
    assert app.table[0].value.iloc[1].tolist()[1:] == ["9 of 12 min", "to be scored"]
    page = sent(app)
    assert SAID in Q6.prose["en"].spoken and SAID not in page
    assert "Fewer KV heads" in page and not [text for text in secrets(Q6, "en") if text in page]
    for prediction in Q6.predictions:  # skipped, as the form would
        study.attempts.predict(by_key["q06"], prediction.id, None)
    app = open_app("mock")  # in a new session it comes back to what is still to be scored
    assert SAID in sent(app)
    for box in app.checkbox:
        box.check()
    app.run()
    app.button(key="q06.keep").click().run()
    assert not app.exception
    scored = kept_attempts(study, mock)["q06"]
    assert scored.finished is not None and scored.tier == 100 and MOCK in scored.help_used
    app = open_app("q06_gqa")  # the attempt of before goes on, with its draft
    app.button(key="q06.again").click().run()
    newest = study.attempts.of(me(study), "q06")[0]
    assert newest.id == begun.id and fields(app)[0]["text"] == "half an answer of the page"


def kept_attempts(study: Store, mock) -> dict[str, Attempt]:
    found = {mock.attempt(key): key for key in mock.questions}
    return {found[each.id]: each for each in study.attempts.of(me(study)) if each.id in found}


def test_a_decided_line_has_no_box_and_the_study_page_keeps_the_text(open_app: OpenApp, study: Store) -> None:
    app = begin_by_hand(open_app("mock"), Q6)
    write(study, "Fewer KV heads", Q6)
    app.button(key="mock.finish").click().run()
    app.button(key="mock.finish_now").click().run()
    [attempt] = study.attempts.of(me(study), "q06")
    for prediction in Q6.predictions:
        number = prediction.kind == "number"
        study.attempts.predict(attempt, prediction.id, 1.0 if number else None)
        attempt = study.attempts.measure(attempt, prediction.id, 3.0 if number else None)
    study.drafts.save(me(study), "q06", "answer", "typed later on the page", 9)
    page = open_app("q06_gqa")
    assert any("mock interview" in each.value for each in page.markdown)
    assert [each.value for each in page.text].count("Fewer KV heads") == 1, "the field has another text"
    page.button(key="q06.reference").click().run()
    assert [each.value for each in page.text].count("Fewer KV heads") == 1
    assert study.attempts.of(me(study), "q06")[0].text == "Fewer KV heads"
    app = open_app("mock")
    decided = {
        line.id
        for line in Q6.rubric
        if line.decided_by in {p.id for p in Q6.predictions if p.kind == "number"}
    }
    ticked = {box.key.split(".")[2] for box in app.checkbox}
    assert decided and ticked == {line.id for line in Q6.rubric} - decided


def test_finishing_twice_or_after_a_crash_in_the_middle_adds_nothing_twice(
    open_app: OpenApp, study: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = begin_by_hand(open_app("mock"), Q5, Q6)
    write(study, "one", Q5)
    write(study, "two", Q6)
    mock = the_mock(study)
    app.button(key="mock.finish").click().run()
    real, calls = study.attempts.add, []

    def crash(attempt: Attempt) -> Attempt:
        calls.append(attempt)
        if len(calls) == 2:
            raise store.StoreError("The disk is full: make room.", key="store.full")
        return real(attempt)

    monkeypatch.setattr(study.attempts, "add", crash)
    app.button(key="mock.finish_now").click().run()
    assert not app.exception and app.error and the_mock(study).finished is None
    monkeypatch.setattr(study.attempts, "add", real)
    app.button(key="mock.finish_now").click().run()
    assert the_mock(study).finished is not None and len(study.attempts.of(me(study))) == 2
    assert kept_attempts(study, mock).keys() == {"q05", "q06"}


def test_without_a_store_the_question_and_its_field_stay(
    open_app: OpenApp, study: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = begin_by_hand(open_app("mock"), Q5, Q6)

    def fails(*args: object) -> None:
        raise store.StoreError("The disk is full: make room.", key="store.full")

    with monkeypatch.context() as patch:
        patch.setattr(study.drafts, "of", fails)
        patch.setattr(study.drafts, "get", fails)
        app.run()
        assert len(app.error) == 1 and not app.exception
        assert app.title[0].value == Q5.title["en"] and fields(app)[0]["known"] is False
        app.button(key="mock.next.q05").click().run()
        assert app.error and app.title[0].value == Q5.title["en"]
    assert not app.run().error and fields(app)[0]["known"] is True


def test_an_unreadable_interview_of_an_import_is_as_good_as_none(open_app: OpenApp, study: Store) -> None:
    for name, text in {
        "x": "{}",
        "0123456789ab": "[1]",
        "ab" * 6: '{"minutes": 45, "questions": ["q99"]}',
    }.items():
        study.drafts.save(me(study), "mock", name, text, 1)
    app = open_app("mock")
    assert not app.exception and not app.error and app.button(key="mock.begin")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_has_every_question_its_time_and_what_became_of_it(study: Store, language: str) -> None:
    mock = Mock("0123456789ab", 45, ("q05", "q06", "q13"), 0.0, "q05", 7, ("q06",), {"q05": 420, "q06": 1080})
    scored = Attempt("me", mock.attempt("q06"), "q06", 0, 0, finished=1.0, tier=80, text="Fewer")
    attempts = {"q05": Attempt("me", mock.attempt("q05"), "q05", 0, 0, finished=1.0, tier=0), "q06": scored}
    assert points(mock, attempts) == 0 and read(mock.id, written(mock)) == mock
    text = to_markdown(whole(mock, WHOLE, attempts, Words(language)))
    rows = [line for line in text.splitlines() if line.startswith("| Q") and "·" in line]
    assert len(rows) == 3 and "⚑" in rows[1] and "| 80 |" in rows[1]
    assert ("18 of 12 min" if language == "en" else "18 / 12 分钟") in rows[1]
