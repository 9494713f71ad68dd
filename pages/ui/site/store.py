"""What the pages keep of a person's work: whose it is, the draft of an answer, the attempt at a question.

The store itself is `study.store`; this is the little of it that a study page needs. On this machine work
belongs to the named profile that was chosen last; elsewhere to a login or to the browser's cookie. Shows
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
    """Whose work this session reads and writes."""
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
            chosen = [candidate for candidate in named if candidate.id == last] or named
            return (chosen[0] if chosen else profiles.named_or_new("Me")).id
        case "login":
            assert st.user.is_logged_in, "the frame asks for a login first"
            person = f"{st.user.get('iss', '')}\n{st.user['sub']}"
            return profiles.for_identity(person, "Guest").id
        case "browser":
            return profiles.for_identity(visitor.visitor_name(st.context.cookies) or "", "Guest").id
    return profiles.for_identity(uuid.uuid4().hex, "Guest").id


def browser_keys() -> str:
    """How the names begin under which a browser keeps a person's drafts; tells nothing about the profile."""
    return f"minimind.draft.{hashlib.sha256(profile().encode()).hexdigest()[:12]}."


def browser_key(question: Question) -> str:
    """Where a browser keeps this person's draft."""
    return browser_keys() + question.key


def draft(question: Question) -> Draft | None:
    """The answer as last saved."""
    return store().drafts.get(profile(), question.key, ANSWER)


def save_draft(question: Question, text: str, revision: int, base: int | None) -> Saved:
    """Keep the answer; whoever wrote the newest revision wins, the other text becomes a copy."""
    return store().drafts.save(profile(), question.key, ANSWER, text, revision, base=base)


def copies(question: Question) -> tuple[Copy, ...]:
    """Answers that lost against a newer one from another window."""
    return store().drafts.copies(profile(), question.key)


def discard_copy(copy: str) -> None:
    """Forget one of them."""
    store().drafts.discard_copy(profile(), copy)


def attempts(question: Question) -> tuple[Attempt, ...]:
    """All attempts at a question, newest first."""
    return store().attempts.of(profile(), question.key)


def attempt(question: Question) -> Attempt | None:
    """The attempt that the page shows: the newest, scored or not."""
    return next(iter(attempts(question)), None)


def record(
    question: Question,
    *,
    text: str | None = None,
    ticks: Collection[str] | None = None,
    help_used: Collection[str] = (),
    seconds: float = 0.0,
) -> Attempt:
    """Add to the unfinished attempt; begins one if there is none."""
    return store().attempts.update(
        _open(question), text=text, ticks=ticks, help_used=help_used, seconds=seconds
    )


def record_predictions(question: Question, answers: Mapping[str, Answer | None]) -> None:
    """Commit predictions; None is a skipped one."""
    current = _open(question)
    for prediction, answer in answers.items():
        current = store().attempts.predict(current, prediction, answer)


def record_measurement(question: Question, prediction: str, value: Any) -> None:
    """Keep what was measured for a prediction."""
    store().attempts.measure(_open(question), prediction, value)


def finish(question: Question, points: Points) -> None:
    """Score the unfinished attempt, for good."""
    store().attempts.finish(_open(question), points)


def answer_again(question: Question) -> None:
    """Begin another attempt with an empty draft; the scored one keeps its text."""
    _open(question)
    if old := draft(question):
        save_draft(question, "", old.revision + 1, old.revision)


def _open(question: Question) -> Attempt:
    return store().attempts.open(profile(), question.key)


def guarded(action: Callable[P, object]) -> Callable[P, None]:
    """A callback whose trouble with the store becomes a sentence on the page instead of an error."""

    def safely(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            action(*args, **kwargs)
        except StoreError as error:
            st.session_state[_TROUBLE] = errors.said(error)

    return safely


def trouble() -> str | None:
    """What went wrong in the last callback, once; or what the store found when it was opened."""
    notice = store().notice
    return st.session_state.pop(_TROUBLE, None) or (errors.said(notice) if notice else None)
