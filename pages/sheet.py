"""Cheat sheet: the formulas of the open references, to print; and all of it as cards for Anki.

A formula stands in its claim and nowhere else. One of a closed reference is left out: it answers predictions.
"""

from __future__ import annotations

from functools import partial

import streamlit as st

from pages.ui.deck import notes
from pages.ui.progress.kept import Work, all_work
from pages.ui.site import away
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.markdown import Markdown, code
from pages.ui.words.question_text import renderer_of
from questions import Claim, Question
from study.store import StoreError

_WHICH = ("opened", "all")


def page() -> None:
    """Draw the sheet, then what goes to Anki."""
    st.title(t("sheet.title"), anchor=False)
    work: list[Work] = []
    try:
        work = all_work()
    except StoreError as error:
        away.say(error)
    seen = [one.question for one in work if one.in_sight]
    if seen:
        st.markdown(t("sheet.lead"))
        for question in seen:
            _formulas(question)
    else:
        st.markdown(t("sheet.none"))
    closed = [f"[{one.question.id}]({one.question.slug})" for one in work if not one.in_sight]
    with st.container(key="sheet-controls"):
        if closed:
            st.caption(t("deck.closed", questions=Markdown(t("claims.comma").join(closed))))
        _anki(seen, [one.question for one in work])


def _formulas(question: Question) -> None:
    """The formulas that follow from something, and need no measurement."""
    found = [claim for claim in question.claims if claim.kind == "exact" and claim.formula]
    if found:
        st.subheader(f"{question.id} · {question.short[current_language()]}", anchor=False)
        with st.container(key=f"sheet-{question.key}"):
            st.markdown("\n\n".join(_line(claim, question) for claim in found))


def _line(claim: Claim, question: Question) -> str:
    statement = renderer_of(question).text(claim.statement, claim)
    link = f":small[[{claim.id}]({question.slug}#claim-{claim.id})]"
    return f"{code(claim.formula[current_language()])}  \n{statement} {link}"


def _anki(seen: list[Question], everything: list[Question]) -> None:
    """Which questions go into the file is said before it is made: those still closed give answers away."""
    st.header(t("sheet.anki"), anchor=False)
    st.markdown(t("sheet.anki_lead"))
    which = st.radio(
        t("sheet.which"), _WHICH, format_func=lambda name: plain(f"sheet.which_{name}"), key="sheet.which"
    )
    chosen = seen if which == "opened" else everything
    language = current_language()
    st.download_button(
        t("sheet.save"),
        partial(notes.as_anki, [renderer_of(question) for question in chosen]),
        file_name=f"minimind-anki-{language}.txt",
        mime="text/plain",
        on_click="ignore",
        disabled=not chosen,
        key="sheet.save",
    )


page()
