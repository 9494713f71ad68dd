"""The cards on their page: graded by the app, asked again when due, closed while their reference is."""

from __future__ import annotations

import datetime
import math
import time

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.site import store
from pages.ui.words.i18n import catalogue
from questions import load_questions
from questions.checklist import checklist
from study.deck import Answered, written
from study.store import Store
from tests.pages.conftest import OpenApp, settle_predictions
from tests.pages.shown_words import stumbles

FIRST = next(card for card in checklist() if card.id == "shift")
DAY = 86_400.0
CHOICE = next(card for card in checklist() if card.id == "scaler")


def open_reference(slug: str) -> None:
    store.store().attempts.update(settle_predictions(slug), help_used=[store.REFERENCE])


def said(app: AppTest) -> str:
    return "\n".join(element.value for kind in ("markdown", "caption", "error") for element in app.get(kind))


def answer(app: AppTest, typed: str) -> AppTest:
    app.text_input(key=f"deck.{FIRST.id}.answer").set_value(typed)
    next(button for button in app.button if button.label in ("Check", "核对")).click().run()
    assert not app.exception
    return app


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_card_waits_for_its_reference(open_app: OpenApp, lang: str) -> None:
    settle_predictions("q01_loss_mask")
    app = open_app("deck", lang=lang)
    assert len([field for field in app.text_input if "deck." in str(field.key)]) == 0
    assert all(f"]({question.slug})" in said(app) for question in load_questions() if question.id != "Q4")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_in_the_last_days_before_the_interview_every_card_comes_once_more(
    open_app: OpenApp, study: Store, lang: str
) -> None:
    me, now = study.profiles.named_or_new("Me").id, time.time()
    for slug in ("q01_loss_mask", "q12_kv_cache"):
        open_reference(slug)
    cards = [card for card in checklist() if card.question in ("Q1", "Q12")]
    known = [Answered(now - days * DAY, True) for days in (60, 50, 30, 9)]
    for card in cards:
        study.drafts.save(me, "deck", card.id, written(known), 1)
    words = said(open_app("deck", lang=lang))
    assert catalogue(lang)["deck.done"].partition("{")[0] in words, "nothing is due for weeks"
    set_interview(study, days=3)
    app = open_app("deck", lang=lang)
    [table] = [table.value for table in app.table]
    due = table[catalogue(lang)["review.head.due"]].tolist()
    on_the_day = [cell.partition(" → ")[2] for cell in table[catalogue(lang)["review.head.both"]]]
    today = catalogue(lang)["review.now"]
    assert due.count(today) == math.ceil(len(cards) / 3) and len(set(due)) == 3, "spread over the days left"
    assert all(day == today or before(day, days=3) for day in due)
    assert all(50 < float(share.rstrip("%")) < 100 for share in on_the_day)
    assert shown(app) in {card.id for card in cards}
    assert f"{due.count(today)}" in progress_line(open_app("progress", lang=lang))
    for _ in range(due.count(today)):
        card = next(card for card in cards if card.id == shown(open_app("deck", lang=lang)))
        study.drafts.save(me, "deck", card.id, written([*known, Answered(now, True)]), 2)
    assert shown(open_app("deck", lang=lang)) is None, "no card comes twice"
    assert not progress_line(open_app("progress", lang=lang))


def set_interview(study: Store, *, days: int) -> None:
    on = datetime.date.today() + datetime.timedelta(days=days)
    study.drafts.save(study.profiles.named_or_new("Me").id, "plan", "interview", on.isoformat(), 1)


def before(day: str, *, days: int) -> bool:
    on = datetime.date.today() + datetime.timedelta(days=days)
    return datetime.date.fromisoformat(day.replace("\N{WORD JOINER}", "")) < on


def shown(app: AppTest) -> str | None:
    """The card that is asked."""
    assert not app.exception
    keys = [str(field.key) for field in (*app.text_input, *app.radio) if str(field.key).startswith("deck.")]
    return keys[0].split(".")[1] if keys else None


def progress_line(app: AppTest) -> str:
    """What the page of progress says of cards that are due; nothing where none is."""
    assert not app.exception
    return next((each.value for each in app.markdown if "](deck)" in each.value), "")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_number_is_graded_and_only_then_the_back_is_shown(open_app: OpenApp, lang: str) -> None:
    open_reference("q01_loss_mask")
    app = open_app("deck", lang=lang)
    assert "511" not in said(app)
    answer(app, "500")
    words = said(app)
    assert "511" in words and "](q01_loss_mask#claim-Q1-C1)" in words and ":orange[" in words
    assert not stumbles(app, lang)
    kept = store.store().drafts.of(store.store().profiles.named_or_new("Me").id, "deck")
    assert [(draft.field, draft.text.endswith("false]]")) for draft in kept] == [(FIRST.id, True)]


def test_what_is_no_number_is_refused_in_one_sentence_and_not_counted(open_app: OpenApp) -> None:
    open_reference("q01_loss_mask")
    app = answer(open_app("deck"), "about half")
    assert "Type a number" in said(app) and "511" not in said(app)
    assert app.text_input(key=f"deck.{FIRST.id}.answer").value == "about half"
    assert not store.store().drafts.of(store.store().profiles.named_or_new("Me").id, "deck")


def test_a_choice_is_graded_and_the_next_card_comes(open_app: OpenApp) -> None:
    open_reference("q10_grad_scaler")
    app = open_app("deck")
    app.radio(key=f"deck.{CHOICE.id}.answer").set_value(CHOICE.right)
    next(button for button in app.button if button.label == "Check").click().run()
    assert ":green[" in said(app)
    next(button for button in app.button if button.label == "Next card").click().run()
    assert "Nothing is due" in said(app)  # Question 10 has this card only
    assert "q10_grad_scaler" not in said(app)  # it no longer waits
    assert len(app.table) == 1 and not app.exception
