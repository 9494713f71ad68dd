"""Cards: the review checklist, one card at a time, each graded by the app and asked again when it is due."""

from __future__ import annotations

import time

import pandas
import streamlit as st

from pages.ui.deck import asked, kept
from pages.ui.progress.kept import Work, all_work
from pages.ui.progress.words import Words, session_words
from pages.ui.site import away, question_list, store
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.markdown import Markdown
from questions.checklist import Card, checklist
from study.deck import next_card, plan
from study.review import Review
from study.store import StoreError

Plans = dict[str, Review | None]


def page() -> None:
    """Draw the card of now, and below it how all of them stand."""
    st.title(t("deck.title"), anchor=False)
    st.markdown(t("deck.lead", count=len(checklist())))
    try:
        if sentence := store.trouble():
            st.error(sentence)
        work = all_work()
        given = kept.answers()
    except StoreError as error:
        away.say(error)
        return
    cards = kept.in_sight(work)
    plans = {card.id: plan(card.id, given.get(card.id, ())) for card in cards}
    _now(cards, plans)
    _all(cards, plans, session_words())
    _closed(work)


def _now(cards: list[Card], plans: Plans) -> None:
    """The card whose back is in view, else the one to ask, else when the next one is due."""
    if not cards:
        st.markdown(t("deck.none"))
        return
    now = time.time()
    in_view = [card for card in cards if card.id == asked.shown()]
    card = next(iter(in_view), None) or next_card(cards, plans, now)
    if card is not None:
        asked.draw(card)
        return
    soonest = min(found.due for found in plans.values() if found)
    st.markdown(t("deck.done", date=session_words().date(soonest)))


def _all(cards: list[Card], plans: Plans, words: Words) -> None:
    """A row for each card that was asked."""
    now = time.time()
    rows = [_row(card, found, words, now) for card in cards if (found := plans[card.id])]
    if not rows:
        return
    st.header(t("deck.all"), anchor=False)
    with st.container(key="deck-cards"):
        st.table(pandas.DataFrame(rows), border="horizontal", hide_index=True)
    st.caption(t("deck.rule"))


def _row(card: Card, found: Review, words: Words, now: float) -> dict[str, str]:
    question = question_list.question(card.question)
    due = (
        plain("review.now")
        if found.due <= now
        else words.date(found.due).replace("-", "\N{NON-BREAKING HYPHEN}")
    )
    return {
        plain("deck.head.card"): f"{question.id} · {card.front[current_language()]}",
        plain("deck.head.last"): plain("deck.head.right" if found.points else "deck.head.wrong"),
        plain("review.head.recall"): plain("review.percent", share=f"{100 * found.recall(now):.0f}"),
        plain("review.head.due"): due,
    }


def _closed(work: list[Work]) -> None:
    """The questions whose cards wait for their reference, each a link."""
    waiting = {card.question for card in checklist()}
    links = [
        f"[{one.question.id}]({one.question.slug})"
        for one in work
        if one.question.id in waiting and not one.in_sight
    ]
    if links:
        st.caption(t("deck.closed", questions=Markdown(t("claims.comma").join(links))))


page()
