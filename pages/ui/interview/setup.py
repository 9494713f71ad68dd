"""Before an interview: whose it is, how long, which questions; and the earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pages.ui.interview import comparison, kept
from pages.ui.progress.words import session_words
from pages.ui.site import before_asking, store, too_long
from pages.ui.site.before_asking import BY_HAND, written_questions
from pages.ui.words.i18n import current_language, plain, t
from questions import PARTS, Question
from questions.loader import LEVELS
from study.interview import choose
from study.mock import LENGTHS
from study.store import MAX_NAME, Interview

SHOWN = "interview.shown"
"""In the session's state: the id of the interview on the page; "" for the way to a new one."""
_NAME, _MINUTES, _HOW = "interview.name", "interview.minutes", "interview.how"
_PARTS, _LEVELS, _CHOSEN, _REFUSED = (
    "interview.parts",
    "interview.levels",
    "interview.chosen",
    "interview.refused",
)
_FITTING = "fitting"
_DEFAULTS: dict[str, Any] = {
    _NAME: "",
    _MINUTES: LENGTHS[1],
    _HOW: _FITTING,
    _PARTS: [],
    _LEVELS: [],
    _CHOSEN: [],
}


def draw(interviews: Sequence[Interview]) -> None:
    """Draw the whole page; `interviews` are those so far, the newest first."""
    st.title(t("interview.title"), anchor=False)
    st.markdown(t("interview.lead"))
    before_asking.kept_settings(_DEFAULTS)
    st.text_input(t("interview.name"), key=_NAME, max_chars=MAX_NAME, width=360)
    too_long.guard(_NAME, t("interview.name"), MAX_NAME)
    before_asking.ask(_MINUTES, _HOW, {how: plain(f"interview.{how}") for how in (_FITTING, BY_HAND)})
    if st.session_state[_HOW] == _FITTING:
        _filters()
    else:
        before_asking.by_hand(_CHOSEN)
    chosen = _chosen()
    _plan(chosen)
    st.button(t("interview.begin"), type="primary", key="interview.begin", on_click=store.guarded(_begin))
    if refused := st.session_state.pop(_REFUSED, None):
        st.error(t(refused))
    if trouble := store.trouble():
        st.error(trouble)
    st.markdown(t("interview.rules"))
    _earlier(interviews)


def _filters() -> None:
    parts = {part: plain(f"part.{part}") for part in PARTS}
    levels = {level: plain(f"level.{level}") for level in LEVELS}
    st.pills(t("interview.parts"), PARTS, key=_PARTS, selection_mode="multi", format_func=parts.__getitem__)
    st.pills(
        t("interview.levels"), LEVELS, key=_LEVELS, selection_mode="multi", format_func=levels.__getitem__
    )


def _chosen() -> list[Question]:
    """What would be asked now, in the order of the list."""
    by_hand, minutes = st.session_state[_HOW] == BY_HAND, st.session_state[_MINUTES]
    if by_hand:
        return [each for each in written_questions() if each.key in st.session_state[_CHOSEN]]
    parts, levels = st.session_state[_PARTS] or PARTS, st.session_state[_LEVELS] or list(LEVELS)
    fitting = {
        each.key: each.level for each in written_questions() if each.part in parts and each.level in levels
    }
    keys = choose(fitting, minutes)
    return [each for each in written_questions() if each.key in keys]


def _plan(chosen: Sequence[Question]) -> None:
    """Which questions these are, and how long they take together."""
    if not chosen:
        return
    names = " · ".join(f"{each.id} {each.short[current_language()]}" for each in chosen)
    st.markdown(t("interview.plan", names=names))
    before_asking.whether_they_fit(chosen, st.session_state[_MINUTES])


def _begin() -> None:
    keys = [each.key for each in _chosen()]
    if not keys:
        st.session_state[_REFUSED] = "mock.none_chosen"
        return
    interview = kept.begin(st.session_state[_NAME], st.session_state[_MINUTES], keys)
    st.session_state[SHOWN] = interview.id
    for name in (_NAME, _CHOSEN):
        st.session_state.pop(name, None)


def _earlier(interviews: Sequence[Interview]) -> None:
    words = session_words()

    def label(interview: Interview) -> str:
        state = plain("interview.ended" if interview.finished else "interview.open")
        return f"{words.date_and_time(interview.started)} · {interview.candidate} · {state}"

    before_asking.earlier("interview", interviews, label)
    comparison.draw(interviews)
