"""The answer being written: a text field that loses nothing, and a clock that ticks in the browser.

Every input is in the browser's storage at once and on its way to the store within a second; draft.js says how
the two agree. A store that cannot be read takes nothing away: the field stays, with what the browser
holds, and asks again. A text that lost against another window stays below until it is discarded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui.site import store
from pages.ui.site.browser_keys import browser_keys, link_key, link_mark, profile_mark
from pages.ui.site.component import component
from pages.ui.words.i18n import plain, t
from pages.ui.words.question_text import minutes_text
from questions import Question
from study.progress import MOCK, is_fixed
from study.store import Attempt, Copy, StoreError

_field = component(Path(__file__))


def answer(question: Question) -> StoreError | None:
    """Draw the field for the answer to a question, and its versions from other windows.

    Returns why the store could not be read, if it could not; the field is there nevertheless.

    Not a fragment: what is saved on the way to a button asks for a run, as the button does, and Streamlit
    merges two runs of the page, but loses one if the other is only a fragment's.
    """
    kept: dict[str, Any] = {"known": False}
    copies: tuple[Copy, ...] = ()
    failure = None
    try:
        kept, copies = _kept(question), store.copies(question)
    except StoreError as error:
        failure = error
    data = {"words": words(question), **kept}
    field(_key(question), question.key, data, on_draft_change=store.guarded(lambda: take(question)))
    lost(copies)
    return failure


def field(key: str, name: str, data: Mapping[str, Any], **events: Callable[[], None]) -> None:
    """Draw a field that keeps its text in the browser under `name`; `data` and `events` are draft.js's."""
    storage, former = browser_keys()
    place: dict[str, str | None] = {"storage": storage + name, "former": former + name if former else None}
    _draw(place, key, data, **events)


def field_of_link(
    link: str, key: str, name: str, data: Mapping[str, Any], **events: Callable[[], None]
) -> None:
    """The same in a window that `link` opens, whoever sits at it."""
    place: dict[str, str | None] = {"storage": link_key(link) + name, "former": None}
    _draw(place, key, {**data, "profile": link_mark(link)}, **events)


def _draw(
    place: dict[str, str | None], key: str, data: Mapping[str, Any], **events: Callable[[], None]
) -> None:
    with st.container(key="answer-field"):  # as high as the field from the start
        _field(key=key, data=place | dict(data), **events)


def lost(copies: Iterable[Copy]) -> None:
    """Draw the versions from other windows that lost, each with a button that discards it."""
    for copy in copies:
        with st.expander(t("draft.copy")):
            st.text(copy.text)
            st.button(
                t("draft.discard"),
                key=f"discard-{copy.id}",
                on_click=store.guarded(store.discard_copy),
                args=(copy.id,),
            )


def _kept(question: Question) -> dict[str, Any]:
    """What the store has, for draft.js. Raises StoreError."""
    kept, attempts = store.draft(question), store.attempts(question)
    newest = attempts[0] if attempts else None
    return {
        "known": True,
        "text": kept.text if kept else "",
        "revision": kept.revision if kept else 0,
        "profile": profile_mark(),
        "round": max(len(attempts) - 1, 0),
        "seconds": newest.seconds if newest else 0,
        "over": newest is not None and is_fixed(newest),
    }


def words(question: Question) -> dict[str, str]:
    """What draft.js says around the field."""
    said = {
        "label": plain("draft.label", question=question.id),
        "placeholder": plain("draft.placeholder"),
        "saved": plain("draft.saved"),
        "saving": plain("draft.saving"),
        "waiting": plain("draft.waiting"),
        "lead": plain("draft.offer"),
        "use": plain("draft.use"),
        "drop": plain("draft.drop"),
        "empty": plain("draft.empty"),
        "start": plain("draft.start"),
        "pause": plain("draft.pause"),
        "over": plain("draft.over"),
    }
    return said | {"minutes": minutes_text(question)}


def take(question: Question) -> None:
    """Save what the browser sent last."""

    def save(text: str, revision: int, base: int, seconds: object) -> None:
        store.save_draft(question, text, revision, base)
        with contextlib.suppress(StoreError):  # the text is saved; the time comes with the next one
            if text.strip():
                _record_time(question, seconds)

    take_sent(_key(question), save)


def take_sent(key: str, save: Callable[[str, int, int, object], None]) -> None:
    """Give `save` what a field sent last, once, if it has the form in which draft.js sends.

    `save` takes text, revision, base, and what should be the seconds on the clock.
    """
    sent, taken = (st.session_state.get(key) or {}).get("draft"), f"{key}.taken"
    if sent is None or sent == st.session_state.get(taken):
        return
    match sent:
        case {"text": str(text), "revision": int(revision), "base": int(base)}:
            save(text, revision, base, sent.get("seconds"))
            st.session_state[taken] = sent


def _record_time(question: Question, seconds: object) -> None:
    """Keep the time on the clock; that at which it stopped comes when the reference is open already."""
    newest = store.attempt(question)
    if isinstance(seconds, int | float) and (newest is None or _is_timed_here(newest)):
        store.record(question, seconds=seconds)


def _is_timed_here(attempt: Attempt) -> bool:
    return attempt.finished is None and MOCK not in attempt.help_used


def _key(question: Question) -> str:
    return f"{question.key}.answer"
