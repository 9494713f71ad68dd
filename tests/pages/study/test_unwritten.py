"""A question of which only the header exists, without lab and page file, is in its place everywhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pages.ui.site import question_list
from questions import Question, load_headers, load_question, load_questions
from questions.loader import read_question
from tests.pages.addresses import APP, addresses
from tests.pages.conftest import OpenApp

LAST = load_questions()[-1]
NUMBER = LAST.number + 1
HEADER = f"""
id = "Q{NUMBER}"
slug = "q{NUMBER}_demo"
part = 1
level = 3
minutes = [15, 30]
title_en = "A demonstration"
title_zh = "一个示例"
short_en = "Demo"
short_zh = "示例"
"""


@pytest.fixture
def unwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Question]:
    """The new question, in a copy of our questions; Question 6 now asks for it as a prerequisite."""
    folder = tmp_path / "questions"
    shutil.copytree(APP.parent / "questions", folder, ignore=shutil.ignore_patterns("*.py"))
    file = folder / f"q{NUMBER}_demo" / "question.toml"
    file.parent.mkdir()
    file.write_text(HEADER, encoding="utf-8")
    other = folder / "q06_gqa" / "question.toml"
    text = other.read_text(encoding="utf-8")
    assert text.count("prerequisites = [") == 1
    other.write_text(text.replace("prerequisites = [", f'prerequisites = ["Q{NUMBER}", '), encoding="utf-8")
    monkeypatch.setattr(question_list, "load_headers", lambda: load_headers(folder))
    monkeypatch.setattr(question_list, "load_questions", lambda: load_questions(folder))
    monkeypatch.setattr(question_list, "load_question", lambda slug: load_question(slug, folder))
    question_list.headers.cache_clear()
    question_list.questions.cache_clear()
    yield read_question(file)
    question_list.headers.cache_clear()
    question_list.questions.cache_clear()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_home_lists_it_and_counts_what_is_written(open_app: OpenApp, unwritten: Question, lang: str) -> None:
    app = open_app(lang=lang)
    assert not app.exception
    labels = [link.proto.label for link in app.get("page_link")]
    assert len(labels) == len(load_questions()) + 1
    assert [label for label in labels if unwritten.short[lang] in label and unwritten.id in label]
    assert unwritten.slug in addresses(app)
    written = sum(question.written for question in load_questions())
    sentence = {
        "en": f"{written} of the {len(labels)} questions have",
        "zh": f"{len(labels)} 道题中有 {written} 道",
    }
    assert any(sentence[lang] in text.value for text in app.markdown)


@pytest.mark.parametrize(("lang", "notice"), [("en", "still being written"), ("zh", "还在编写")])
def test_its_page_says_so(open_app: OpenApp, unwritten: Question, lang: str, notice: str) -> None:
    app = open_app(unwritten.slug, lang=lang)
    assert not app.exception and app.title[0].value == unwritten.title[lang]
    assert any(notice in text.value for text in app.markdown)


def test_its_neighbour_leads_to_it_and_back(open_app: OpenApp, unwritten: Question) -> None:
    app = open_app(LAST.slug)
    app.button(key=f"go-{unwritten.id}").click().run()
    assert app.title[0].value == unwritten.title["en"]
    app.button(key=f"go-{LAST.id}").click().run()
    assert app.title[0].value == LAST.title["en"]


def test_it_may_be_a_prerequisite(open_app: OpenApp, unwritten: Question) -> None:
    app = open_app("q06_gqa")
    assert app.button(key=f"before-{unwritten.id}").label == f"{unwritten.id} {unwritten.short['en']}"
