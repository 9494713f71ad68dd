"""What the pages keep of a person's work: whose it is, the draft of an answer, the attempt at a question.

The store itself is `study.store`; here is the part of it that a study page needs. On this machine work
belongs to the named profile that was chosen last; elsewhere to a login or to the browser's cookie. Draws
nothing.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, ParamSpec

import streamlit as st

from pages.ui.site import settings_file, visitor
from pages.ui.words import errors
from questions import Question
from study.predictions import Answer
from study.scoring import Points
from study.store import ANSWER, Attempt, Copy, Draft, Saved, Store, StoreError, open_store

REFERENCE = "reference"
"""Among the help used: the reference answer was opened."""
_TROUBLE = "store.trouble"
P = ParamSpec("P")
Identity = Literal["named", "login", "browser", "session"]
"""How we know whose work it is: a profile chosen at this machine, a login, a cookie, or only the session."""


@st.cache_resource(show_spinner=False)
def store() -> Store:
    """The one store of this server. Raises StoreError."""
    return open_store()


def profile() -> str:
    """The id of the profile whose work this session reads and writes."""
    if "profile" not in st.session_state:
        st.session_state["profile"] = _find_profile()
    return str(st.session_state["profile"])


def identity() -> Identity:
    """How this session's person is known. A server with a login (`[auth]` in its secrets) asks everybody."""
    if "is_logged_in" in st.user:
        return "login"
    if visitor.at_this_machine(st.context.headers):
        return "named"
    return "browser" if visitor.visitor_name(st.context.cookies) else "session"


def _find_profile() -> str:
    profiles = store().profiles
    match identity():
        case "named":
            named = profiles.named()
            last = settings_file.read().get(settings_file.PROFILE)
            candidates = [profile for profile in named if profile.id == last] or named
            return (candidates[0] if candidates else profiles.named_or_new("Me")).id
        case "login":
            assert st.user.is_logged_in, "the frame asks for a login first"
            person = f"{st.user.get('iss', '')}\n{st.user['sub']}"
            return profiles.for_identity(person, "Guest").id
        case "browser":
            return profiles.for_identity(visitor.visitor_name(st.context.cookies) or "", "Guest").id
    return profiles.for_identity(uuid.uuid4().hex, "Guest").id


def browser_keys() -> str:
    """How the names begin under which a browser keeps this person's drafts; does not reveal the profile."""
    return f"minimind.draft.{hashlib.sha256(profile().encode()).hexdigest()[:12]}."


def browser_key(question: Question) -> str:
    """The name under which a browser keeps this person's draft of an answer."""
    return browser_keys() + question.key


def draft(question: Question) -> Draft | None:
    """The draft of the answer as last saved; None if there is none."""
    return store().drafts.get(profile(), question.key, ANSWER)


def save_draft(question: Question, text: str, revision: int, base: int | None) -> Saved:
    """Save the draft of the answer. The newest revision wins, and the other text becomes a copy."""
    return store().drafts.save(profile(), question.key, ANSWER, text, revision, base=base)


def copies(question: Question) -> tuple[Copy, ...]:
    """Versions of the answer that lost against a newer one from another window."""
    return store().drafts.copies(profile(), question.key)


def discard_copy(copy: str) -> None:
    """Delete the version with the id `copy`."""
    store().drafts.discard_copy(profile(), copy)


def attempts(question: Question) -> tuple[Attempt, ...]:
    """All attempts at a question, newest first."""
    return store().attempts.of(profile(), question.key)


def attempt(question: Question) -> Attempt | None:
    """The attempt that the page shows: the newest, scored or not; None before the first."""
    return next(iter(attempts(question)), None)


def record(
    question: Question,
    *,
    text: str | None = None,
    ticks: Collection[str] | None = None,
    help_used: Collection[str] = (),
    seconds: float = 0.0,
) -> Attempt:
    """Add to the unfinished attempt, begun here if there is none; returns it as it is now."""
    return store().attempts.update(
        _open(question), text=text, ticks=ticks, help_used=help_used, seconds=seconds
    )


def record_predictions(question: Question, answers: Mapping[str, Answer | None]) -> None:
    """Commit predictions by id; None marks a skipped one."""
    current = _open(question)
    for prediction, answer in answers.items():
        current = store().attempts.predict(current, prediction, answer)


def record_measurement(question: Question, prediction: str, value: Any) -> None:
    """Add to the attempt what was measured for the prediction of this id."""
    store().attempts.measure(_open(question), prediction, value)


def finish(question: Question, points: Points) -> None:
    """Finish the attempt with these points; they never change again."""
    store().attempts.finish(_open(question), points)


def answer_again(question: Question) -> None:
    """Begin another attempt with an empty draft; the scored one keeps its text."""
    _open(question)
    if old := draft(question):
        save_draft(question, "", old.revision + 1, old.revision)


def _open(question: Question) -> Attempt:
    return store().attempts.open(profile(), question.key)


def guarded(action: Callable[P, object]) -> Callable[P, None]:
    """A callback that does `action`; a StoreError becomes a sentence on the page instead of a failure."""

    def safely(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            action(*args, **kwargs)
        except StoreError as error:
            st.session_state[_TROUBLE] = errors.said(error)

    return safely


def trouble() -> str | None:
    """What went wrong in the last callback, once; else what the store reported when it was opened."""
    notice = store().notice
    return st.session_state.pop(_TROUBLE, None) or (errors.said(notice) if notice else None)
