"""Before a mock interview: how long, which questions; and the earlier ones to look back at."""

from __future__ import annotations

import random
from collections.abc import Sequence

import streamlit as st

from pages.ui.mock import kept
from pages.ui.mock.words import level_names, summary
from pages.ui.progress.words import session_words
from pages.ui.site import before_asking, store, too_long
from pages.ui.site.before_asking import BY_HAND, written_questions
from pages.ui.site.question_list import questions
from pages.ui.words.i18n import plain, t
from study.mock import LARGEST_SEED, LENGTHS, MIX, Mock, read_seed

_MINUTES, _HOW, _SEED, _CHOSEN = "mock.minutes", "mock.how", "mock.seed", "mock.chosen"
_TICKETS, _REFUSED = "mock.tickets", "mock.refused"
SHOWN = "mock.shown"
"""In the session's state: the id of the finished interview to look back at."""
_DRAWN = "drawn"
_LONGEST_SEED = 20


def draw(mocks: Sequence[Mock]) -> None:
    """Draw the whole page; `mocks` are those of before, the newest first."""
    st.title(t("mock.title"), anchor=False)
    st.markdown(t("mock.lead"))
    before_asking.kept_settings(
        {_MINUTES: LENGTHS[1], _HOW: _DRAWN, _SEED: _new_seed(), _CHOSEN: [], _TICKETS: False}
    )
    before_asking.ask(_MINUTES, _HOW, {how: plain(f"mock.{how}") for how in (_DRAWN, BY_HAND)})
    if st.session_state[_HOW] == _DRAWN:
        _drawn()
    else:
        before_asking.by_hand(_CHOSEN)
        chosen = [each for each in written_questions() if each.key in st.session_state[_CHOSEN]]
        before_asking.whether_they_fit(chosen, st.session_state[_MINUTES])
    st.toggle(t("mock.tickets"), key=_TICKETS, help=plain("mock.tickets_help"))
    st.button(t("mock.begin"), type="primary", key="mock.begin", on_click=store.guarded(_begin))
    if refused := st.session_state.pop(_REFUSED, None):
        st.error(t(refused, most=f"{LARGEST_SEED:,}"))
    st.markdown(t("mock.rules"))
    words = session_words()
    before_asking.earlier(
        "mock",
        mocks,
        lambda mock: f"{words.date_and_time(mock.started)} · {summary(mock, kept.attempts(mock), words)}",
    )


def _new_seed() -> str:
    return str(random.SystemRandom().randint(1, LARGEST_SEED))


def _drawn() -> None:
    minutes = st.session_state[_MINUTES]
    st.markdown(t("mock.mix", levels=level_names(MIX[minutes])))
    st.text_input(t("mock.seed"), key=_SEED, max_chars=_LONGEST_SEED, width=240, help=plain("mock.seed_help"))
    too_long.guard(_SEED, t("mock.seed"), _LONGEST_SEED)


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
