"""Every page runs in both languages; the language comes from where it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from pages.ui.site import server
from questions import load_question, load_questions
from tests.pages.conftest import OpenApp

PAGES = Path(__file__).resolve().parents[3] / "pages"
NAMES = sorted(path.stem for path in PAGES.glob("*.py") if path.stem != "__init__")
OPEN = [question for question in load_questions() if question.slug in NAMES]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", NAMES)
def test_every_page_runs(open_app: OpenApp, name: str, lang: str) -> None:
    app = open_app(name, lang=lang)
    assert not app.exception
    assert app.title and not app.error


def test_every_page_file_is_a_question_or_has_a_name() -> None:
    assert {"home", "playground", "settings", *(question.slug for question in OPEN)} == set(NAMES)


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


def test_the_language_stays_on_the_next_page(open_app: OpenApp) -> None:
    app = open_app(lang="en")
    app.segmented_control(key="lang").set_value("zh").run()
    app.switch_page("pages/q13_sampling.py").run()
    assert app.title[0].value == load_question("q13_sampling").title["zh"]


def test_a_page_run_alone_enters_the_frame(worker) -> None:
    """A fresh server runs the page file of a deep link without app.py."""
    from streamlit.runtime.pages_manager import PagesManager
    from streamlit.testing.v1 import AppTest

    PagesManager.uses_pages_directory = True
    app = AppTest.from_file(str(PAGES / "home.py"), default_timeout=30)
    app.query_params["lang"] = "en"
    app.run()
    assert not app.exception
    assert app.segmented_control(key="lang").value == "en"
    assert not server.leave_pages_router()
