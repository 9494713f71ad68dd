"""The search: its field on every page, links to the exact place, and nothing that a person has not opened."""

from __future__ import annotations

import re

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.progress.kept import all_work
from pages.ui.search.places import KINDS, places
from pages.ui.site import store
from pages.ui.words.i18n import catalogue
from questions import Renderer, load_question, load_questions
from questions.glossary import glossary
from questions.guide import guide
from study.search import find
from tests.pages.addresses import ADDRESSES, WINDOWS
from tests.pages.conftest import OpenApp, settle_predictions
from tests.pages.shown_words import stumbles

QUESTION = load_question("q09_accumulation")
CLAIM = QUESTION.claims[0]


def open_reference() -> None:
    store.store().attempts.update(settle_predictions(QUESTION.slug), help_used=[store.REFERENCE])


def look_for(app: AppTest, wanted: str) -> str:
    """Everything that the page says of it."""
    app.text_input(key="search.large").set_value(wanted).run()
    assert not app.exception
    return "\n".join(element.value for kind in ("markdown", "caption") for element in app.get(kind))


def test_nothing_of_a_closed_reference_is_found(open_app: OpenApp) -> None:
    settle_predictions(QUESTION.slug)
    assert "#claim-" not in look_for(open_app("search"), CLAIM.id)
    work = all_work()
    for text in (
        QUESTION.hints[-1],
        QUESTION.rubric[-1].text,
        {"en": QUESTION.prose["en"].spoken},
        CLAIM.truth,
    ):
        assert not find(places(work), text["en"][:60]), text


def test_a_claim_is_found_once_its_reference_is_open(open_app: OpenApp) -> None:
    open_reference()
    words = look_for(open_app("search"), CLAIM.id)
    assert f"]({QUESTION.slug}#claim-{CLAIM.id})" in words and "{" not in words
    assert "left out" in words  # those of all other questions


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_words_of_a_reference_are_found_once_it_is_open(open_app: OpenApp, lang: str) -> None:
    """Of each of its parts: what one says, the sections, what lies beyond, the follow-ups."""
    renderer, prose = Renderer(QUESTION, lang), QUESTION.prose[lang]
    texts = [prose.spoken, prose.answer[-1].body, prose.beyond, QUESTION.follow_ups[0].answer[lang]]
    beginnings = [longest_plain(renderer.fill(text)) for text in texts]
    address = f"]({QUESTION.slug}#reference)"
    app = open_app("search", lang=lang)
    assert not [text for text in beginnings if address in look_for(app, text)]
    open_reference()
    app = open_app("search", lang=lang)
    assert not [text for text in beginnings if address not in look_for(app, text)]


def longest_plain(text: str) -> str:
    """The longest run of words without a sign of Markdown or a number."""
    return max(re.findall(r"[^\W\d_][^\W\d_ ]*(?: [^\W\d_]+)*", text), key=len)


@pytest.mark.parametrize(
    ("lang", "wanted", "address"),
    [
        ("en", "Anki", "sheet"),
        ("zh", "密封考签", "mock"),
        ("en", "FSRS", "deck"),
        ("zh", "语言与外观", "settings"),
    ],
)
def test_a_page_is_found_by_what_one_does_there(
    open_app: OpenApp, lang: str, wanted: str, address: str
) -> None:
    assert f"]({address})" in look_for(open_app("search", lang=lang), wanted)


def test_every_page_of_the_menu_can_be_found() -> None:
    """But for home and the search itself; the guide and the questions have their parts."""
    found = {entry.address for entry in places([]) if entry.kind == "page"}
    questions = {question.slug for question in load_questions()}
    assert found == set(ADDRESSES) - questions - set(WINDOWS) - {"", "search", "guide"}


def test_what_an_experiment_does_is_found_once_its_lab_is_open(open_app: OpenApp) -> None:
    about = catalogue("en")["q09.accumulate.about"]
    app = open_app("search")
    assert "#lab-accumulate" not in look_for(app, about)
    assert "#lab-accumulate" in look_for(app, "Q9 " + catalogue("en")["q09.accumulate.title"])
    settle_predictions(QUESTION.slug)
    assert f"]({QUESTION.slug}#lab-accumulate)" in look_for(open_app("search"), about)


def test_every_kind_of_place_has_an_address_of_its_own() -> None:
    entries = places([])
    assert {entry.kind for entry in entries} == set(KINDS) - {"claim", "reference"}
    assert len({entry.address for entry in entries}) == len(entries)
    counted = [sum(entry.kind == kind for entry in entries) for kind in ("question", "term", "guide")]
    assert counted == [len(load_questions()), len(glossary()), len(guide().parts["en"]) - 1]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_is_found_is_a_clean_text_in_the_readers_language(open_app: OpenApp, lang: str) -> None:
    for each in load_questions():
        store.store().attempts.update(settle_predictions(each.slug), help_used=[store.REFERENCE])
    app = open_app("search", lang=lang)
    for wanted in {"en": ("gradient", "Q6"), "zh": ("梯度", "Q6")}[lang]:
        words = look_for(app, wanted)
        assert words.count("](") > 5 and not re.search(r"\{(?:Q\d|given|value|said)", words)
        assert not stumbles(app, lang)


def test_the_field_of_any_page_leads_to_what_it_finds(open_app: OpenApp) -> None:
    app = open_app("glossary")
    app.text_input(key="search.small").set_value("RoPE").run()
    assert app.title[0].value == "Search" and app.text_input(key="search.large").value == "RoPE"
    assert "](q07_rope)" in "\n".join(element.value for element in app.markdown)


def test_signs_of_markdown_in_the_search_are_shown_as_they_are(open_app: OpenApp) -> None:
    words = look_for(open_app("search"), "zzz ![x](//a.example) **b**")
    assert "Nothing has all of" in words and "![x](" not in words
