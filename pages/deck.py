"""Cards: the review checklist, one card at a time, each graded by the app and asked again when it is due."""

from __future__ import annotations

import pandas
import streamlit as st

from pages.ui.deck import asked, kept
from pages.ui.deck.plans import Plans, plans
from pages.ui.progress import reviews
from pages.ui.progress.kept import Work, all_work
from pages.ui.progress.words import session_words
from pages.ui.site import away, question_list, store
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.markdown import Markdown
from pages.ui.words.marks import unbroken
from questions.checklist import Card, checklist
from study.review import Review
from study.store import StoreError


def page() -> None:
    """Draw the card of now, and below it how all of them stand."""
    st.title(t("deck.title"), anchor=False)
    st.markdown(t("deck.lead", count=len(checklist())))
    try:
        if sentence := store.trouble():
            st.error(sentence)
        work = all_work()
        found = plans(kept.in_sight(work), kept.answers(), session_words())
    except StoreError as error:
        away.say(error)
        return
    _now(found)
    _all(found)
    _closed(work)


def _now(found: Plans) -> None:
    """The card whose back is in view, else the one to ask, else when the next one comes."""
    if not found.cards:
        st.markdown(t("deck.none"))
        return
    in_view = [card for card in found.cards if card.id == asked.shown()]
    card = next(iter(in_view), None) or found.next()
    if card is not None:
        asked.draw(card, found.times[card.id])
    elif soonest := found.soonest():
        st.markdown(t("deck.done", date=soonest.isoformat()))


def _all(found: Plans) -> None:
    """A row for each card that was asked."""
    rows = [_row(card, review, found) for card, review in found.asked()]
    if not rows:
        return
    st.header(t("deck.all"), anchor=False)
    with st.container(key="deck-cards"):
        st.table(pandas.DataFrame(rows), border="horizontal", hide_index=True)
    rules = [t("deck.rule")]
    if found.interview is not None:
        rules.append(t("deck.last_days", date=unbroken(found.interview.isoformat())))
    st.caption(t("mock.sentence_gap").join(rules))


def _row(card: Card, review: Review, found: Plans) -> dict[str, str]:
    question = question_list.question(card.question)
    day = found.day(card, review)
    return {
        plain("deck.head.card"): f"{question.id} · {card.front[current_language()]}",
        plain("deck.head.last"): plain("deck.head.right" if review.points else "deck.head.wrong"),
        **reviews.recall(review, found.words, found.interview),
        plain("review.head.due"): unbroken(day.isoformat()) if day else plain("review.now"),
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
