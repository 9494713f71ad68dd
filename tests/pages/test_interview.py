"""An interview on its two pages: set up, released step by step, scored, taken away, rewound, deleted."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.menu import SIDEBAR
from pages.ui.interview import kept, scorecard
from pages.ui.interview.window import Window
from pages.ui.progress.words import Words
from pages.ui.words.question_text import renderer_of
from questions import Renderer, load_question
from study import interview as led
from study.store import Interview, Store
from tests.pages.conftest import OpenApp
from tests.pages.study.test_study_page import secrets, sent

Q5, Q6, Q13 = (load_question(slug) for slug in ("q05_shapes", "q06_gqa", "q13_sampling"))
NOTE = "counts query heads where KV heads are stored"


def me(study: Store) -> str:
    return study.profiles.named_or_new("Me").id


def the_interview(study: Store) -> Interview:
    [interview] = study.interviews.of(me(study))
    return interview


def begin(app: AppTest) -> AppTest:
    app.text_input(key="interview.name").set_value("Grace").run()
    app.radio(key="interview.how").set_value("by_hand").run()
    app.multiselect(key="interview.chosen").set_value([Q5.key, Q6.key]).run()
    return app.button(key="interview.begin").click().run()


@pytest.fixture
def grace(study: Store) -> Interview:
    """An interview that goes on at question 6, with something private in it."""
    interview = study.interviews.begin(me(study), "Grace", 45, (Q5.key, Q6.key))
    add = study.interviews.add
    add(interview, led.CONSENTED)
    add(interview, led.SHOWN, Q6.key)
    study.interviews.save_text(interview, led.DRAFT, Q6.key, "fewer KV heads", 1)
    add(interview, led.NOTE, Q6.key, {"text": NOTE})
    add(interview, led.TICKED, Q6.key, {"line": Q6.rubric[0].id})
    return interview


def candidate(open_app: OpenApp, interview: Interview, lang: str = "en") -> AppTest:
    return open_app("present", lang=lang, folded=True, link=interview.link or "")


def answers(app: AppTest) -> list[dict[str, Any]]:
    found = [each.proto for each in app.get("bidi_component")]
    return [json.loads(each.json) for each in found if each.component_name == "draft"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_set_up_by_hand_leads_to_the_console(open_app: OpenApp, study: Store, lang: str) -> None:
    app = begin(open_app("interview", lang=lang, folded=True))
    assert not app.exception and not app.error
    interview = the_interview(study)
    assert (interview.candidate, interview.questions) == ("Grace", (Q5.key, Q6.key))
    assert interview.link and interview.link in sent(app)
    app.button(key="interview.first").click().run()
    assert kept.line(interview).shown.at == Q5.key
    app.segmented_control(key="interview.places").set_value(Q6.key).run()
    page, renderer = sent(app), Renderer(Q6, lang)
    for text in (Q6.cues[0].text, Q6.follow_ups[0].question, Q6.hints[0], Q6.rubric[0].text):
        assert renderer.text(text) in page
    assert not app.exception and not app.error


def test_a_set_fits_level_part_and_minutes(open_app: OpenApp, study: Store) -> None:
    app = open_app("interview", folded=True)
    app.text_input(key="interview.name").set_value("Grace").run()
    app.button_group(key="interview.levels").set_value([2]).run()
    app.button(key="interview.begin").click().run()
    questions = kept.asked(the_interview(study))
    assert questions and {question.level for question in questions} == {2}
    assert sum(led.budget(question.level) for question in questions) <= 45


def test_what_is_missing_is_said_in_one_sentence(open_app: OpenApp, study: Store) -> None:
    app = open_app("interview", folded=True)
    app.button(key="interview.begin").click().run()
    assert "A name has 1 to" in app.error[0].value
    app.radio(key="interview.how").set_value("by_hand").run()
    app.button(key="interview.begin").click().run()
    assert len(app.error) == 1 and not study.interviews.of(me(study))


@pytest.mark.parametrize("link", ["", "x" * 32])
def test_without_a_link_that_opens_there_is_a_word_about_it(
    open_app: OpenApp, study: Store, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, SIDEBAR, raising=False)  # or the home page, run first, makes a profile
    app = open_app("present", link=link)
    assert app.title[0].value == "Candidate's window" and "ask the interviewer" in sent(app)
    assert study.profiles.named() == (), "who only has a link leaves nothing behind"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_nothing_private_and_nothing_unreleased_is_on_the_candidates_page(
    open_app: OpenApp, grace: Interview, lang: str
) -> None:
    page = sent(candidate(open_app, grace, lang))
    assert Q6.title[lang] in page
    assert NOTE not in page
    private = [line.text[lang] for line in Q6.rubric] + [cue.text[lang] for cue in Q6.cues]
    private += [follow_up.answer[lang] for follow_up in Q6.follow_ups] + [hint[lang] for hint in Q6.hints]
    assert not [text for text in private if text.split("{")[0][:24] in page]
    assert not [text for text in secrets(Q6, lang) if text in page]


def test_the_question_waits_for_consent(open_app: OpenApp, study: Store) -> None:
    interview = study.interviews.begin(me(study), "Grace", 45, (Q6.key,))
    study.interviews.add(interview, led.SHOWN, Q6.key)
    app = candidate(open_app, interview)
    assert Q6.title["en"] not in sent(app) and "What is kept of this interview" in sent(app)
    app.button(key="present.agree").click().run()
    assert app.title[0].value == Q6.title["en"]
    [field] = answers(app)
    assert field["timed"] is False and interview.link not in json.dumps(field)


def test_predictions_and_lab_of_the_candidate_are_in_nobodys_attempts(
    open_app: OpenApp, study: Store, grace: Interview
) -> None:
    mine = study.attempts.predict(study.attempts.open(me(study), Q6.key), "cache-size", 98765.0)
    study.interviews.add(grace, led.RELEASED, Q6.key, {"part": "predict"})
    app = candidate(open_app, grace)
    assert not [text for text in secrets(Q6, "en") if text in sent(app)], "the predictions come first"
    name = f"{Q6.key}.predict.cache-size"
    app.text_input(key=name).set_value("4.2").run()
    again = candidate(open_app, grace)
    assert again.text_input(key=name).value == "4.2", "what was typed survives a reload"
    again.button(key="q06-predictions-commit").click().run()
    assert not again.exception and not again.error
    record = kept.line(grace).record(Q6.key)
    assert record.work.predictions["cache-size"] == 4.2
    assert isinstance(record.work.measurements["cache-size"], float)
    assert "4.2" in sent(again) and "98,765" not in sent(again)
    assert study.attempts.of(me(study)) == (mine,)


def test_a_run_of_the_lab_is_noted_once_with_its_numbers(open_app: OpenApp, study: Store) -> None:
    interview = study.interviews.begin(me(study), "Grace", 45, (Q13.key,))
    for kind, data in ((led.CONSENTED, {}), (led.SHOWN, {}), (led.RELEASED, {"part": "lab"})):
        study.interviews.add(interview, kind, Q13.key, data)
    Window(interview.link or "").record_predictions(Q13, {each.id: None for each in Q13.predictions})
    app = open_app("present", folded=True, link=interview.link)
    app.button(key="q13_next_token.bench.run").click().run()
    for _ in range(2):
        app.run()
    [run] = kept.line(interview).record(Q13.key).work.runs
    assert run.data["experiment"] == "q13/next_token" and run.data["settings"]
    assert not study.attempts.of(me(study)) and not app.exception


def test_the_console_takes_notes_ticks_and_releases(
    open_app: OpenApp, study: Store, grace: Interview
) -> None:
    app = open_app("interview", folded=True)
    assert NOTE in sent(app) and "fewer KV heads" in sent(app)
    app.toggle(key=f"interview.release.{Q6.key}.hint-1").set_value(True).run()
    assert kept.line(grace).shown.hints == 1
    app.toggle(key=f"interview.release.{Q6.key}.hint-1").set_value(False).run()
    assert kept.line(grace).shown.hints == 0
    kept.save_note(grace, Q6.key, "asks back first", 1)
    app.button(key=f"interview.pin.{Q6.key}").click().run()
    record = kept.line(grace).record(Q6.key)
    assert [note.data["text"] for note in record.notes] == [NOTE, "asks back first"]
    assert record.noting[0] == ""
    line = Q6.rubric[1].id
    app.checkbox(key=f"interview.tick.{grace.id}.{Q6.key}.{line}").check().run()
    assert line in kept.line(grace).record(Q6.key).ticks
    app.button(key="interview.pause").click().run()
    assert not kept.line(grace).shown.running and not app.exception


def test_over_it_is_a_scorecard_with_evidence_that_can_be_taken_away(
    open_app: OpenApp, study: Store, grace: Interview
) -> None:
    Window(grace.link or "").record_predictions(Q6, {"cache-size": 4.2})
    numbers = {"bytes": 8388608.0, "change": -2.5e-7}
    Window(grace.link or "").record_run(Q6, {"experiment": "q06/cache", "numbers": numbers})
    app = open_app("interview", folded=True)
    app.button(key="interview.end").click().run()
    app.button(key="interview.end_now").click().run()
    assert app.title[0].value == "Scorecard: Grace" and not app.exception
    assert "The interview is over, Grace" in sent(candidate(open_app, grace))
    ended = the_interview(study)
    line = kept.line(ended)
    renderers = [renderer_of(question) for question in kept.asked(ended)]
    markdown = scorecard.as_markdown(line, renderers, Words("en"))
    html = scorecard.as_html(line, renderers, Words("zh"))
    for part in ("fewer KV heads", NOTE, "Grace"):
        assert part in markdown and part in html
    assert "bytes 8,388,608, change −2.5 × 10⁻⁷" in markdown and "e+06" not in html
    assert "4.2" in markdown and "评分表" in html and grace.link not in markdown + html
    for own in ("My answer", "You said", "我的回答", "你的预测"):
        assert own not in markdown + html, "it is somebody else's"
    data = json.loads(scorecard.as_json(line, renderers, Words("en")))
    [five, six] = data["questions"]
    assert five["points"] is None and six["points"] == 40 and six["notes"][0]["text"] == NOTE
    assert six["predictions"]["cache-size"] == 4.2 and grace.link not in json.dumps(data)


def test_rewind_shows_how_it_stood_at_each_moment(open_app: OpenApp, study: Store, grace: Interview) -> None:
    study.interviews.finish(grace, led.FINISHED)
    app = open_app("interview", folded=True)
    app.button(key=f"interview.show.{grace.id}").click().run()
    app.segmented_control(key=f"interview.evidence.{grace.id}").set_value(Q6.key).run()
    assert not app.exception, "now and then stand on one page"
    app.select_slider(key=f"rewind.{grace.id}").set_value(1).run()
    at_first = sent(app).rpartition("Rewind")[2]
    assert "Q6 on the screen" in at_first and NOTE not in at_first
    app.select_slider(key=f"rewind.{grace.id}").set_value(3).run()
    assert NOTE in sent(app).rpartition("Rewind")[2]


def test_deleted_only_when_asked_twice(open_app: OpenApp, study: Store, grace: Interview) -> None:
    study.interviews.finish(grace, led.FINISHED)
    app = open_app("interview", folded=True)
    app.button(key=f"interview.show.{grace.id}").click().run()
    app.button(key="interview.delete").click().run()
    assert study.interviews.of(me(study))
    app.button(key="interview.delete_now").click().run()
    assert not study.interviews.of(me(study)) and not app.exception
    assert "ask the interviewer" in sent(candidate(open_app, grace))
