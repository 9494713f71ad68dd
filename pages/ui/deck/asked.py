"""One card: its question and check, and once that was answered what is right, with links to the claims.

The back is drawn only after an answer: a card is ticked by knowing, not by clicking.
"""

from __future__ import annotations

import streamlit as st

from pages.ui.deck import kept
from pages.ui.site import question_list, store
from pages.ui.words import prose
from pages.ui.words.i18n import current_language, t
from pages.ui.words.markdown import Markdown
from pages.ui.words.question_text import renderer_of
from questions import Question
from questions.checklist import Card
from study.deck import is_right, order
from study.typed_number import read_number

_SHOWN = "deck.shown"
_REFUSED = "deck.refused"


def shown() -> str | None:
    """The id of the card whose back is in view; None while one is asked."""
    found: str | None = st.session_state.get(_SHOWN, (None, False))[0]
    return found


def draw(card: Card, times: int) -> None:
    """Draw the front, and the check or what is right; it was answered so many `times` before."""
    question = question_list.question(card.question)
    renderer = renderer_of(question)
    with st.container(border=True, key="card"):
        st.caption(f"{question.id} · {question.short[current_language()]}")
        st.markdown(f"**{renderer.text(card.front)}**")
        st.markdown(renderer.text(card.check))
        if shown() == card.id:
            _back(card, question)
        else:
            _check(card, question, times)


def _check(card: Card, question: Question, times: int) -> None:
    language, renderer = current_language(), renderer_of(question)
    with st.form(f"deck.{card.id}", border=False):
        if card.choices:
            st.radio(
                t("deck.choose"),
                order(card, times),
                index=None,
                format_func=lambda index: renderer.fill(card.choices[index][language]),
                key=_field(card),
            )
        else:
            st.text_input(t("deck.number"), key=_field(card), width=240)
        if sentence := st.session_state.pop(_REFUSED, None):
            st.error(sentence)
        st.form_submit_button(
            t("deck.check"), type="primary", on_click=store.guarded(_take), args=(card, question)
        )


def _take(card: Card, question: Question) -> None:
    """Grade what was typed or chosen; what is no answer is refused and nothing kept."""
    given = st.session_state[_field(card)]
    answer = read_number(given) if isinstance(given, str) else given
    if answer is None:
        st.session_state[_REFUSED] = t("deck.choose_one" if card.choices else "deck.no_number")
        return
    right = is_right(card, question, answer)
    kept.keep(card, right=right)
    st.session_state[_SHOWN] = (card.id, right)


def _back(card: Card, question: Question) -> None:
    renderer = renderer_of(question)
    if st.session_state[_SHOWN][1]:
        st.markdown(f":green[**✓ {t('deck.right')}**]")
    else:
        said = _right_answer(card, question)
        st.markdown(f":orange[**✎ {t('deck.wrong', said=Markdown(said))}**]")
    prose.draw(renderer.text(card.back), renderer)
    links = [f"[{name}]({question.slug}#claim-{name})" for name in card.claims]
    st.caption(t("deck.claims", claims=Markdown(t("claims.comma").join(links))))
    st.button(t("deck.next"), type="primary", on_click=_go_on)


def _right_answer(card: Card, question: Question) -> str:
    renderer = renderer_of(question)
    if card.choices:
        return renderer.text(card.choices[card.right])
    return renderer.fill(f"{{{card.answer}}}")


def _go_on() -> None:
    st.session_state.pop(_SHOWN, None)


def _field(card: Card) -> str:
    return f"deck.{card.id}.answer"
