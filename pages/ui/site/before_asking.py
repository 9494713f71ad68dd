"""What both kinds of interview ask before they begin, how long and which questions, and the earlier ones.

The page names its widgets and keeps what is its own: what the ways to choose are, and what a press begins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import streamlit as st

from pages.ui.site.newest import newest, rest
from pages.ui.site.question_list import questions
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.question_text import level_dots
from questions import Question
from study.mock import BUDGET, LENGTHS

BY_HAND = "by_hand"
"""The way in which a person picks the questions; the page has another beside it."""


def written_questions() -> list[Question]:
    """The questions that can be asked, by number."""
    return [question for question in questions() if question.written]


def kept_settings(defaults: Mapping[str, Any]) -> None:
    """Give every widget its value by key, and keep what was chosen also while the page is another."""
    for key, value in defaults.items():
        st.session_state[key] = st.session_state.get(key, value)


def ask(minutes: str, how: str, ways: Mapping[str, str]) -> None:
    """Draw the choices of the minutes and of the way to questions, under these keys in the session's state.

    `ways` are labels by name.
    """
    lengths = {length: plain("mock.minutes", minutes=length) for length in LENGTHS}
    st.segmented_control(
        t("mock.how_long"), LENGTHS, key=minutes, format_func=lengths.__getitem__, required=True
    )
    st.radio(t("mock.which"), list(ways), key=how, format_func=ways.__getitem__, horizontal=True)


def by_hand(key: str) -> None:
    """Draw the list that questions are picked from; their keys stand under `key`."""
    language = current_language()
    names = {
        each.key: f"{each.id} · {each.short[language]} {level_dots(each)}" for each in written_questions()
    }
    st.multiselect(
        t("mock.questions"),
        list(names),
        key=key,
        format_func=names.__getitem__,
        placeholder=plain("mock.choose"),
    )


def whether_they_fit(chosen: Collection[Question], minutes: int) -> None:
    """Say how long `chosen` take together beside the minutes there are; nothing where none is chosen."""
    if needed := sum(BUDGET[each.level] for each in chosen):
        fits = "mock.fits" if needed <= minutes else "mock.too_much"
        st.markdown(t(fits, needed=needed, minutes=minutes))


class HasId(Protocol):
    """An interview of either kind."""

    @property
    def id(self) -> str: ...


Asked = TypeVar("Asked", bound=HasId)


def earlier(name: str, interviews: Sequence[Asked], label: Callable[[Asked], str]) -> None:
    """Draw a button for each interview of before, the newest first; a press has `<name>.shown` name it."""
    if not interviews:
        return
    st.header(t(f"{name}.earlier"), anchor=False)
    with st.container(key=f"{name}-earlier", gap="xsmall"):
        for each in newest(interviews, f"{name}.earlier"):
            show = f"{name}.show.{each.id}"
            st.button(label(each), key=show, on_click=_show, args=(f"{name}.shown", each.id))
    rest(interviews, f"{name}.earlier")


def _show(key: str, interview: str) -> None:
    st.session_state[key] = interview
