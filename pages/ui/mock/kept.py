"""What the store keeps of mock interviews. Draws nothing.

An interview lies among the drafts under a name of its own, and each answer is a draft of its question in a
field of the interview's: so all of it survives a crash, is exported, imported and deleted with the rest, and
never meets the draft of the question's own page.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from pages.ui.progress.kept import all_work
from pages.ui.site import store
from pages.ui.site.question_list import questions
from questions import Question
from study.mock import Mock, draw, read, written
from study.progress import MOCK
from study.store import Attempt, Copy, Draft

_PLACE = "mock"
"""In the place of a question, where an interview itself is kept."""
_LAST = "mock.last"


def mocks() -> list[Mock]:
    """All mock interviews of this person, the newest first. Raises StoreError."""
    kept = store.store().drafts.of(store.known_profile(), _PLACE)
    found = [mock for draft in kept if (mock := read(draft.field, draft.text)) and asked(mock)]
    st.session_state[_LAST] = sorted(found, key=lambda mock: -mock.started)
    return list(st.session_state[_LAST])


def last_known() -> list[Mock]:
    """What `mocks` gave this session last: for a time without a store."""
    return list(st.session_state.get(_LAST, []))


def asked(mock: Mock) -> list[Question]:
    """Its questions, but for those that the question list no longer has."""
    known = {question.key: question for question in questions() if question.written}
    return [known[key] for key in mock.questions if key in known]


def shown(mock: Mock) -> Question:
    """The question that is shown now."""
    found = asked(mock)
    return next((question for question in found if question.key == mock.at), found[0])


def drawn(minutes: int, seed: int) -> tuple[str, ...]:
    """Questions for the minutes, the weaker ones more often: by points, and by what is still recalled now."""
    now = time.time()
    reviews = {work.question.key: work.review for work in all_work()}
    strength = {key: found.points / 100 * found.recall(now) for key, found in reviews.items() if found}
    levels = {question.key: question.level for question in questions() if question.written}
    return draw(levels, strength, minutes, seed)


def begin(minutes: int, keys: tuple[str, ...], seed: int | None, *, tickets: bool = False) -> None:
    """Begin an interview; its first question is shown."""
    now = time.time()
    name = secrets.token_hex(6)
    _save(Mock(name, minutes, keys, now, at=keys[0], seed=seed, seconds={keys[0]: 0.0}, tickets=tickets))


def go_to(mock: Mock, key: str) -> None:
    """Show the question `key`."""
    now = _newest(mock)
    _save(replace(now, at=key, seconds={key: 0.0} | now.seconds))


def flag(mock: Mock, key: str, *, on: bool) -> None:
    """Put a flag on a question, or take it away."""
    now = _newest(mock)
    others = tuple(other for other in now.flags if other != key)
    _save(replace(now, flags=(*others, key) if on else others))


def add_seconds(mock: Mock, key: str, seconds: float) -> None:
    """Note the time used on a question; it only grows."""
    now = _newest(mock)
    if seconds > now.seconds.get(key, 0.0):
        _save(replace(now, seconds=now.seconds | {key: float(seconds)}))


def text(mock: Mock, question: Question) -> Draft | None:
    """The answer to a question as last saved."""
    return store.store().drafts.get(store.known_profile(), question.key, _field(mock))


def save_text(mock: Mock, question: Question, typed: str, revision: int, base: int) -> None:
    """Save the answer to a question."""
    store.store().drafts.save(store.profile(), question.key, _field(mock), typed, revision, base=base)


def copies(mock: Mock, question: Question) -> tuple[Copy, ...]:
    """Versions of the answer that lost against a newer one from another window."""
    kept = store.store().drafts.copies(store.known_profile(), question.key)
    return tuple(copy for copy in kept if copy.field == _field(mock))


def is_blank(mock: Mock, question: Question) -> bool:
    """Whether nothing was written for a question."""
    kept = text(mock, question)
    return kept is None or not kept.text.strip()


def finish(mock: Mock) -> None:
    """End the interview: each answer becomes an attempt, to be scored; an empty one has no points at once.

    A question that was never shown leaves nothing. After a crash in the middle it adds what is
    missing.
    """
    now = _newest(mock)
    if now.finished is not None:
        return
    moment = time.time()
    for question in asked(now):
        blank = is_blank(now, question)
        if blank and question.key not in now.seconds:
            continue
        kept = text(now, question)
        store.store().attempts.add(
            Attempt(
                profile=store.profile(),
                id=now.attempt(question.key),
                question=question.key,
                started=now.started,
                changed=moment,
                finished=moment if blank else None,
                tier=0 if blank else None,
                text="" if blank or kept is None else kept.text,
                help_used=(MOCK,),
                seconds=now.seconds.get(question.key, 0.0),
            )
        )
    _save(replace(now, finished=moment))


def attempts(mock: Mock) -> Mapping[str, Attempt]:
    """What the answers became, by question key."""
    wanted = [mock.attempt(key) for key in mock.questions]
    found = store.store().attempts.with_ids(store.known_profile(), wanted)
    return {attempt.question: attempt for attempt in found}


def _newest(mock: Mock) -> Mock:
    """As the store has it now: another tab may have gone on."""
    kept = store.store().drafts.get(store.profile(), _PLACE, mock.id)
    return (read(mock.id, kept.text) if kept else None) or mock


def _save(mock: Mock) -> None:
    drafts, owner = store.store().drafts, store.profile()
    kept = drafts.get(owner, _PLACE, mock.id)
    drafts.save(owner, _PLACE, mock.id, written(mock), (kept.revision if kept else 0) + 1)


def _field(mock: Mock) -> str:
    return f"{_PLACE}.{mock.id}"
