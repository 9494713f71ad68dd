"""During a mock interview: one question, a field for the answer, the clocks, and the way to the others.

No hint, lab, reference or word about the answer is drawn here. Where the store cannot be read, the question
and its field stay, with what the browser holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import streamlit as st

from pages.ui.mock import kept
from pages.ui.mock.words import budget
from pages.ui.site import store
from pages.ui.site.browser_keys import profile_mark
from pages.ui.study import draft
from pages.ui.words import errors, prose
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.question_text import level_dots, renderer_of
from questions import Question
from study.mock import Mock
from study.store import Copy, StoreError

_PLACES, _ASKED = "mock.places", "mock.asked"


def draw(mock: Mock) -> None:
    """Draw the question that is shown now, its field and the controls."""
    question, asked = kept.shown(mock), kept.asked(mock)
    level = f"{level_dots(question)} {t(f'level.{question.level}')}"
    number = t("mock.number", index=asked.index(question) + 1, count=len(asked))
    st.caption(" · ".join((t("mock.title"), number, question.id, level)))
    st.title(question.title[current_language()], anchor=False)
    with st.container(key="mock-question"):
        renderer = renderer_of(question)
        prose.draw_at_top(renderer.fill(question.prose[current_language()].question), renderer)
    failure = _field(mock, question)
    sentences = (errors.said(failure) if failure else None, store.callback_trouble())
    for sentence in dict.fromkeys(filter(None, sentences)):
        st.error(sentence)
    _controls(mock, question, asked)


def _field(mock: Mock, question: Question) -> StoreError | None:
    """Draw the field and its lost versions; returns why the store could not be read, if it could not."""
    data: dict[str, object] = {"known": False}
    copies: tuple[Copy, ...] = ()
    failure = None
    try:
        written = kept.text(mock, question)
        data = {
            "known": True,
            "text": written.text if written else "",
            "revision": written.revision if written else 0,
            "profile": profile_mark(),
            "round": 0,
            "seconds": mock.seconds.get(question.key, 0),
            "over": False,
        }
        copies = kept.copies(mock, question)
    except StoreError as error:
        failure = error
    others = sum(seconds for key, seconds in mock.seconds.items() if key != question.key)
    clock = plain("mock.clock", own="{own}", all="{all}", budget=budget(question), minutes=mock.minutes)
    draft.field(
        _key(mock, question),
        f"{question.key}.{mock.id}",
        data | {"words": draft.words(question) | {"clock": clock}, "exam": {"before": others}},
        on_draft_change=store.guarded(lambda: take(mock, question)),
        on_clock_change=store.guarded(lambda: _take_time(mock, question)),
    )
    draft.lost(copies)
    return failure


def take(mock: Mock, question: Question) -> None:
    """Save what the browser sent last."""

    def save(text: str, revision: int, base: int, seconds: object) -> None:
        kept.save_text(mock, question, text, revision, base)
        _add(mock, question, seconds)

    draft.take_sent(_key(mock, question), save)


def _take_time(mock: Mock, question: Question) -> None:
    _add(mock, question, (st.session_state.get(_key(mock, question)) or {}).get("clock"))


def _add(mock: Mock, question: Question, seconds: object) -> None:
    if isinstance(seconds, int | float) and 0 <= seconds <= 100 * 86_400:
        kept.add_seconds(mock, question.key, seconds)


def _controls(mock: Mock, question: Question, asked: list[Question]) -> None:
    """To any question, to the one before and after, a flag, and the end."""
    index, flagged = asked.index(question), question.key in mock.flags
    with st.container(key="mock-controls"):
        if len(asked) > 1:
            _places(mock, question, asked)
        with st.container(horizontal=True):
            if index > 0:
                _button("mock.back", question, lambda: _go(mock, asked[index - 1].key))
            _button(
                "mock.unflag" if flagged else "mock.flag",
                question,
                lambda: kept.flag(mock, question.key, on=not flagged),
            )
            last = index + 1 == len(asked)
            ending = st.session_state.get(_ASKED) == mock.id  # then its own button is the one to press
            if not last:
                _button("mock.next", question, lambda: _go(mock, asked[index + 1].key), primary=not ending)
            if not ending:
                kind: Literal["primary", "secondary"] = "primary" if last else "secondary"
                st.button(t("mock.finish"), key="mock.finish", type=kind, on_click=_ask, args=(mock,))
        if ending:
            _really(mock, asked)


def _places(mock: Mock, question: Question, asked: list[Question]) -> None:
    numbers = {
        each.key: f"{number}{' ⚑' if each.key in mock.flags else ''}" for number, each in enumerate(asked, 1)
    }
    st.session_state[_PLACES] = question.key
    st.segmented_control(
        t("mock.places"),
        list(numbers),
        key=_PLACES,
        format_func=numbers.__getitem__,
        required=True,
        on_change=store.guarded(lambda: _go(mock, st.session_state[_PLACES])),
    )


def _button(name: str, question: Question, act: Callable[[], None], *, primary: bool = False) -> None:
    kind: Literal["primary", "secondary"] = "primary" if primary else "secondary"
    st.button(t(name), key=f"{name}.{question.key}", type=kind, on_click=store.guarded(act))


def _go(mock: Mock, key: str) -> None:
    st.session_state.pop(_ASKED, None)
    kept.go_to(mock, key)


def _really(mock: Mock, asked: list[Question]) -> None:
    """Ask once more, and say what becomes of what is empty."""
    with st.container(border=True, key="mock-really"):
        try:
            blank = [each for each in asked if kept.is_blank(mock, each)]
        except StoreError as error:
            st.error(errors.said(error))
            return
        seen = sum(each.key in mock.seconds for each in blank)
        said = [t("mock.really", count=len(asked) - len(blank))]
        said += [t("mock.really_blank", count=seen)] if seen else []
        said += [t("mock.really_unseen", count=len(blank) - seen)] if len(blank) > seen else []
        said += [t("mock.really_flags", count=len(mock.flags))] if mock.flags else []
        st.markdown(t("mock.sentence_gap").join(said))
        with st.container(horizontal=True):
            st.button(
                t("mock.finish_now"),
                type="primary",
                key="mock.finish_now",
                on_click=store.guarded(lambda: _finish(mock)),
            )
            st.button(t("mock.go_on"), key="mock.go_on", on_click=st.session_state.pop, args=(_ASKED, None))


def _ask(mock: Mock) -> None:
    st.session_state[_ASKED] = mock.id


def _finish(mock: Mock) -> None:
    take(mock, kept.shown(mock))
    kept.finish(mock)
    st.session_state["mock.shown"] = mock.id
    st.session_state.pop(_ASKED, None)


def _key(mock: Mock, question: Question) -> str:
    return f"mock.{mock.id}.{question.key}"
