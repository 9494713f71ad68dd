"""Home and the menu say what was done; a first visitor sees a calm page, a fresh server waits for nothing."""

from __future__ import annotations

import re
import sys

import pytest

from pages.menu import SIDEBAR
from questions import load_questions
from study.store import Store
from tests.pages.conftest import OpenApp
from tests.pages.progress.conftest import Answered


def row(app, name: str) -> str:
    [label] = [link.proto.label for link in app.get("page_link") if f"**{name} ·" in link.proto.label]
    return label


@pytest.mark.parametrize(
    ("lang", "scored", "head", "draft", "go_on"),
    [
        ("en", "✓ 80 · today", "1 of 14 scored, median 80", "**draft, 7 min**", "Go on with Q7: predictions"),
        ("zh", "✓ 80 分 · 今天", "14 道题已评分 1 道，中位数 80 分", "**草稿，7 分钟**", "继续 Q7：预测"),
    ],
)
def test_home_says_what_was_done_and_goes_on_with_it(
    open_app: OpenApp,
    study: Store,
    answered: Answered,
    lang: str,
    scored: str,
    head: str,
    draft: str,
    go_on: str,
) -> None:
    answered("q06_gqa", points=80)
    me = study.profiles.named()[0].id
    study.drafts.save(me, "q07", "answer", "Pairs of dimensions turn", 1)
    study.attempts.update(study.attempts.open(me, "q07"), seconds=430)
    app = open_app(lang=lang)
    assert not app.exception
    assert scored in row(app, "Q6") and draft in row(app, "Q7") and ":small[:gray[–]]" in row(app, "Q1")
    assert any(head in element.value for element in app.markdown)
    assert app.button[0].label == go_on
    app.button[0].click().run()
    assert app.title[0].value == next(each for each in load_questions() if each.id == "Q7").title[lang]


def test_a_first_visit_shows_no_progress(open_app: OpenApp) -> None:
    app = open_app()
    assert app.button[0].label == "Start with Q1"
    assert not any("scored" in element.value for element in app.markdown)
    assert not any("badge" in link.proto.label for link in app.get("page_link"))


def test_what_is_done_meanwhile_is_seen_in_the_next_run(
    open_app: OpenApp, answered: Answered, study: Store
) -> None:
    app = open_app()
    attempt = answered("q06_gqa", text="")
    assert "reference open" in row(app.run(), "Q6")
    study.attempts.finish(attempt, 60)
    assert "✓ 60" in row(app.run(), "Q6")
    study.drafts.save(study.profiles.named()[0].id, "q01", "answer", "Shift by one", 1)
    assert "draft, 3 words" in row(app.run(), "Q1")


def test_with_everything_scored_the_weakest_comes_again(open_app: OpenApp, answered: Answered) -> None:
    for question in load_questions():
        answered(question.slug, points=40 if question.id == "Q9" else 100)
    assert open_app().button[0].label == "Answer Q9 again"


def test_home_is_there_before_the_store_is_imported(
    open_app: OpenApp, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered("q06_gqa", points=80)
    monkeypatch.delitem(sys.modules, SIDEBAR)
    app = open_app()
    assert not app.exception and "✓" not in row(app, "Q6")


def test_the_live_labs_are_those_that_there_are(open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    from labs.contract.registry import Registry

    said = "\n".join(element.value for element in open_app().markdown)
    live = {experiment.lab for experiment in Registry.discover().of_questions()}
    with_lab = [question.id for question in load_questions() if question.key in live]
    if len(with_lab) < len(load_questions()):
        assert f"Live labs so far: {', '.join(with_lab)}." in said
    else:
        assert "and a live lab." in said


@pytest.mark.parametrize(
    ("lang", "said", "begun"), [("en", "scored, 80 of 100", "begun"), ("zh", "已评分，80 分", "进行中")]
)
def test_the_menu_marks_questions_with_words_for_who_does_not_see(
    open_app: OpenApp, answered: Answered, study: Store, lang: str, said: str, begun: str
) -> None:
    answered("q06_gqa", points=80)
    answered("q13_sampling", said=2.0)
    written = "\n".join(element.proto.body for element in open_app(lang=lang).get("html"))
    rules = dict(re.findall(r'href\$="/(\w+)"\]::after (\{.*?\})', written))
    assert set(rules) == {"q06_gqa", "q13_sampling"}
    assert f'"✓ 80" / "{said}"' in rules["q06_gqa"] and f'/ "{begun}"' in rules["q13_sampling"]
