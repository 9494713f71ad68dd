"""The cheat sheet and the file for Anki: what is open, or all of it by a clear choice, in both languages."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.deck import notes
from pages.ui.site import store
from questions import Renderer, load_question, load_questions
from questions.checklist import checklist
from tests.pages.conftest import OpenApp, settle_predictions
from tests.pages.shown_words import stumbles
from tests.study.test_anki import read

QUESTION = load_question("q06_gqa")
FORMULA = QUESTION.claims[0].formula


def said(app: AppTest) -> str:
    return "\n".join(element.value for kind in ("markdown", "caption") for element in app.get(kind))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_formula_waits_for_its_reference(open_app: OpenApp, lang: str) -> None:
    attempt = settle_predictions(QUESTION.slug)
    app = open_app("sheet", lang=lang)
    assert FORMULA[lang] not in said(app) and "](q06_gqa)" in said(app)
    store.store().attempts.update(attempt, help_used=[store.REFERENCE])
    app = open_app("sheet", lang=lang)
    assert f"`{FORMULA[lang]}`" in said(app) and "](q06_gqa#claim-Q6-C1)" in said(app)
    assert not stumbles(app, lang) and "](q06_gqa)" not in said(app)


def test_the_file_holds_what_was_chosen(open_app: OpenApp) -> None:
    app = open_app("sheet")
    assert app.get("download_button")[0].proto.disabled  # nothing is open
    app.radio(key="sheet.which").set_value("all").run()
    assert not app.get("download_button")[0].proto.disabled and not app.exception


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_notes_are_the_questions_own_texts(lang: str) -> None:
    renderers = [Renderer(question, lang) for question in load_questions()]
    text = notes.as_anki(renderers)
    assert text == notes.as_anki(renderers)
    head, rows = read(text)
    assert head[0] == "#separator:tab" and all(len(row) == 4 for row in rows)
    assert len({row[0] for row in rows}) == len(rows)
    follow_ups = sum(len(question.follow_ups) for question in load_questions())
    assert len(rows) == len(renderers) + follow_ups + len(checklist())
    assert not [row[0] for row in rows if "{given" in row[1] + row[2] or "{Q" in row[1] + row[2]]
    assert all(row[1] and row[2] and row[3].startswith("minimind q") for row in rows)
