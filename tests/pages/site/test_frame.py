"""Every page of the menu runs in both languages; the language comes from where it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from questions import load_question, load_questions
from tests.pages.addresses import APP, addresses, visit
from tests.pages.conftest import OpenApp

QUESTIONS = [question.slug for question in load_questions()]
ADDRESSES = [
    "",
    "playground",
    "mock",
    "interview",
    "present",
    "panel",
    "progress",
    "deck",
    *QUESTIONS,
    "guide",
    "claims",
    "glossary",
    "search",
    "sheet",
    "settings",
]
NO_PAGES = {"__init__", "menu"}


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: address or "home")
def test_every_page_runs(open_app: OpenApp, address: str, lang: str) -> None:
    app = open_app(address, lang=lang)
    assert not app.exception
    assert app.title and not app.error


def test_the_menu_has_every_question(open_app: OpenApp) -> None:
    assert sorted(addresses(open_app())) == sorted(ADDRESSES)


def test_every_page_file_is_in_the_menu() -> None:
    files = {path.stem for path in Path(APP.parent, "pages").glob("*.py")} - NO_PAGES
    assert files - {"home"} <= set(ADDRESSES)


@pytest.mark.parametrize(
    ("lang", "locale", "title"),
    [
        ("zh", "en-US", "MiniMind 面试实验室"),
        ("en", "zh-CN", "MiniMind Interview Lab"),
        (None, "zh-CN", "MiniMind 面试实验室"),
        (None, "de-DE", "MiniMind Interview Lab"),
        ("xx", "zh-CN", "MiniMind 面试实验室"),
    ],
)
def test_the_address_decides_the_language_then_the_browser(
    open_app: OpenApp, lang: str | None, locale: str, title: str
) -> None:
    app = open_app(lang=lang, locale=locale)
    assert app.title[0].value == title


@pytest.mark.parametrize("slug", ["q06_gqa", "q13_sampling"])
def test_the_language_stays_on_the_next_page(open_app: OpenApp, slug: str) -> None:
    app = open_app(lang="en")
    app.segmented_control(key="lang").set_value("zh").run()
    visit(app, slug)
    assert app.title[0].value == load_question(slug).title["zh"]
