"""Before a mock interview: how long, which questions; and the earlier ones to look back at."""

from __future__ import annotations

import random
from collections.abc import Sequence

import streamlit as st

from pages.ui.mock import kept
from pages.ui.mock.words import level_names, summary
from pages.ui.progress.words import session_words
from pages.ui.site import store
from pages.ui.site.question_list import questions
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.question_text import level_dots
from study.mock import BUDGET, LARGEST_SEED, LENGTHS, MIX, Mock, read_seed

_MINUTES, _HOW, _SEED, _CHOSEN = "mock.minutes", "mock.how", "mock.seed", "mock.chosen"
_TICKETS, _REFUSED = "mock.tickets", "mock.refused"
SHOWN = "mock.shown"
"""In the session's state: the id of the finished interview to look back at."""
_DRAWN, _BY_HAND = "drawn", "by_hand"


def draw(mocks: Sequence[Mock]) -> None:
    """Draw the whole page; `mocks` are those of before, the newest first."""
    st.title(t("mock.title"), anchor=False)
    st.markdown(t("mock.lead"))
    defaults = {_MINUTES: LENGTHS[1], _HOW: _DRAWN, _SEED: _new_seed(), _CHOSEN: [], _TICKETS: False}
    for key, value in defaults.items():
        st.session_state[key] = st.session_state.get(key, value)  # kept also while the page is another
    lengths = {minutes: plain("mock.minutes", minutes=minutes) for minutes in LENGTHS}
    st.segmented_control(
        t("mock.how_long"), LENGTHS, key=_MINUTES, format_func=lengths.__getitem__, required=True
    )
    ways = {how: plain(f"mock.{how}") for how in (_DRAWN, _BY_HAND)}
    st.radio(t("mock.which"), list(ways), key=_HOW, format_func=ways.__getitem__, horizontal=True)
    if st.session_state[_HOW] == _DRAWN:
        _drawn()
    else:
        _by_hand()
    st.toggle(t("mock.tickets"), key=_TICKETS, help=plain("mock.tickets_help"))
    st.button(t("mock.begin"), type="primary", key="mock.begin", on_click=store.guarded(_begin))
    if refused := st.session_state.pop(_REFUSED, None):
        st.error(t(refused, most=f"{LARGEST_SEED:,}"))
    st.markdown(t("mock.rules"))
    _earlier(mocks)


def _new_seed() -> str:
    return str(random.SystemRandom().randint(1, LARGEST_SEED))


def _drawn() -> None:
    minutes = st.session_state[_MINUTES]
    st.markdown(t("mock.mix", levels=level_names(MIX[minutes])))
    st.text_input(t("mock.seed"), key=_SEED, max_chars=20, width=240, help=plain("mock.seed_help"))


def _by_hand() -> None:
    written = [question for question in questions() if question.written]
    language = current_language()
    names = {each.key: f"{each.id} · {each.short[language]} {level_dots(each)}" for each in written}
    st.multiselect(
        t("mock.questions"),
        list(names),
        key=_CHOSEN,
        format_func=names.__getitem__,
        placeholder=plain("mock.choose"),
    )
    chosen, minutes = st.session_state[_CHOSEN], st.session_state[_MINUTES]
    if needed := sum(BUDGET[each.level] for each in written if each.key in chosen):
        fits = "mock.fits" if needed <= minutes else "mock.too_much"
        st.markdown(t(fits, needed=needed, minutes=minutes))


def _begin() -> None:
    minutes, seed = st.session_state[_MINUTES], None
    if st.session_state[_HOW] == _DRAWN:
        seed = read_seed(st.session_state[_SEED])
        keys = kept.drawn(minutes, seed) if seed is not None else ()
        refused = "mock.bad_seed"
    else:
        chosen = set(st.session_state[_CHOSEN])
        keys = tuple(question.key for question in questions() if question.key in chosen)
        refused = "mock.none_chosen"
    if not keys:
        st.session_state[_REFUSED] = refused
        return
    kept.begin(minutes, keys, seed, tickets=st.session_state[_TICKETS])
    st.session_state.pop(SHOWN, None)
    for name in (_SEED, _CHOSEN):
        st.session_state.pop(name, None)


def _earlier(mocks: Sequence[Mock]) -> None:
    if not mocks:
        return
    st.header(t("mock.earlier"), anchor=False)
    words = session_words()
    with st.container(key="mock-earlier", gap="xsmall"):
        for mock in mocks:
            label = f"{words.date_and_time(mock.started)} · {summary(mock, kept.attempts(mock), words)}"
            st.button(label, key=f"mock.show.{mock.id}", on_click=_show, args=(mock,))


def _show(mock: Mock) -> None:
    st.session_state[SHOWN] = mock.id
