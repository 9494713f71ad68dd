"""What the pages keep of a person's work: whose it is, the draft of an answer, the attempt at a question.

The store itself is `study.store`; here is the part of it that a study page needs. On this machine work
belongs to the named profile that was chosen last; elsewhere to a login or to the browser's cookie. Draws
nothing.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, ParamSpec, TypeVar

import streamlit as st

from pages.ui.site import settings_file, visitor
from pages.ui.site.once import once
from pages.ui.words import errors
from questions import Question
from study.predictions import Answer
from study.scoring import Points
from study.store import ANSWER, Attempt, Copy, Draft, Profile, Saved, Store, StoreError, open_store

REFERENCE = "reference"
"""Among the help used: the reference answer was opened."""
TYPED = "predictions"
"""The field of a draft that holds what is typed as predictions, as JSON by field."""
_TROUBLE = "store.trouble"
_OPENINGS, _NAME, _VISIT = "store.openings", "store.name", "store.visit"
_FIRST_NAME = "Me"
P = ParamSpec("P")
T = TypeVar("T")
Identity = Literal["named", "login", "browser", "session"]
"""How we know whose work it is: a profile chosen at this machine, a login, a cookie, or only the session."""


def store() -> Store:
    """The one store of this server. Raises StoreError."""
    return once("store", None, opened)  # what Streamlit caches costs a search each time


@st.cache_resource(show_spinner=False)
def opened() -> Store:
    """The store, opened by whoever asks first."""
    return open_store()


def profile() -> str:
    """The id of the profile whose work this session writes, made if there is none.

    Found again where the database has been replaced since: the same person goes on in the new one.
    """
    openings = store().openings
    if "profile" not in st.session_state or st.session_state.get(_OPENINGS, openings) != openings:
        st.session_state["profile"] = _find_profile()
    st.session_state[_OPENINGS] = openings
    _remember_name()
    return str(st.session_state["profile"])


def known_profile() -> str:
    """The id of the profile to read from; empty for a visitor whom we cannot know again, before a first save.

    So crawlers, and whatever else brings no cookie, leave no row behind.
    """
    state = st.session_state.get("profile"), store().openings
    return once("person", state, _known_profile)


def _known_profile() -> str:
    if identity() == "session" and "profile" not in st.session_state:
        return ""
    return profile()


def identity() -> Identity:
    """How this session's person is known. A server with a login (`[auth]` in its secrets) asks everybody."""
    return once("identity", None, _identity)  # Streamlit looks for the file of secrets each time


def _identity() -> Identity:
    if "is_logged_in" in st.user:
        return "login"
    if visitor.at_this_machine(st.context.headers):
        return "named"
    return "browser" if visitor.visitor_name(st.context.cookies) else "session"


def _find_profile() -> str:
    if identity() == "named":
        return _named_profile().id
    return store().profiles.for_identity(person(), "Guest").id


def _named_profile() -> Profile:
    """The profile of this session's name, else the one that was chosen last, else the first."""
    named, kept, here = store().profiles.named(), settings_file.read(), st.session_state.get(_NAME)
    candidates: Sequence[Profile] = [profile for profile in named if profile.name == here] if here else []
    if not here:
        candidates = [profile for profile in named if profile.id == kept.get(settings_file.PROFILE)] or named
    name = here or kept.get(settings_file.PROFILE_NAME) or _FIRST_NAME
    return candidates[0] if candidates else store().profiles.named_or_new(name)


def _remember_name() -> None:
    """Note the name of a named profile: browsers keep drafts under it, also while the store is away."""
    if _NAME in st.session_state or identity() != "named":
        return
    own = store().profiles.find(st.session_state["profile"])
    if own is None:
        return
    st.session_state[_NAME] = own.name
    kept = settings_file.read()
    is_last = kept.get(settings_file.PROFILE, own.id) == own.id
    if is_last and kept.get(settings_file.PROFILE_NAME, _FIRST_NAME) != own.name:
        with contextlib.suppress(OSError):
            settings_file.write({settings_file.PROFILE_NAME: own.name})


def forget_name() -> None:
    """For a profile that has another name now."""
    st.session_state.pop(_NAME, None)
    profile()


def person() -> str:
    """Whose work this is, told without the store and the same in every database."""
    match identity():
        case "login":
            assert st.user.is_logged_in, "the frame asks for a login first"
            return f"{st.user.get('iss', '')}\n{st.user['sub']}"
        case "browser":
            return visitor.visitor_name(st.context.cookies) or ""
        case "named":
            kept = settings_file.read().get(settings_file.PROFILE_NAME)
            return f"name:{(st.session_state.get(_NAME) or kept or _FIRST_NAME).casefold()}"
    return str(st.session_state.setdefault(_VISIT, uuid.uuid4().hex))


def draft(question: Question) -> Draft | None:
    """The draft of the answer as last saved; None if there is none."""
    return _read_once(
        f"draft.{question.key}", lambda person: store().drafts.get(person, question.key, ANSWER)
    )


def save_draft(question: Question, text: str, revision: int, base: int | None) -> Saved:
    """Save the draft of the answer. The newest revision wins, and the other text becomes a copy."""
    return store().drafts.save(profile(), question.key, ANSWER, text, revision, base=base)


def copies(question: Question) -> tuple[Copy, ...]:
    """Versions of the answer that lost against a newer one from another window."""
    kept = store().drafts.copies(known_profile(), question.key)
    return tuple(copy for copy in kept if copy.field == ANSWER)


def discard_copy(copy: str) -> None:
    """Delete the version with the id `copy`."""
    store().drafts.discard_copy(profile(), copy)


def stamps() -> tuple[tuple[object, ...], dict[str, tuple[object, ...]], tuple[object, ...]]:
    """What changes with the person or the database, with attempts by question, and with drafts of answers."""
    person, kept = known_profile(), store()
    whose = person, kept.openings
    return whose, kept.attempts.stamps(person), kept.drafts.stamp(person, ANSWER)


def typed(question: Question) -> dict[str, str]:
    """What stands in the fields for predictions, by field; what an import brought in may be anything."""
    kept = store().drafts.get(known_profile(), question.key, TYPED)
    try:
        texts = json.loads(kept.text) if kept else {}
    except ValueError:
        return {}
    pairs = texts.items() if isinstance(texts, dict) else ()
    return {name: text for name, text in pairs if isinstance(text, str) and text}


def save_typed(question: Question, fields: Mapping[str, str]) -> None:
    """Keep what stands in some of these fields; the others stay."""
    _save_typed(question, typed(question) | dict(fields))


def forget_typed(question: Question) -> None:
    """Empty the fields for predictions."""
    _save_typed(question, {})


def _save_typed(question: Question, fields: Mapping[str, str]) -> None:
    drafts, owner = store().drafts, profile()
    kept = drafts.get(owner, question.key, TYPED)
    text = json.dumps({name: text for name, text in fields.items() if text}, ensure_ascii=False)
    drafts.save(owner, question.key, TYPED, text, (kept.revision if kept else 0) + 1)


def attempts(question: Question) -> tuple[Attempt, ...]:
    """All attempts at a question, newest first."""
    return _read_once(f"attempts.{question.key}", lambda person: store().attempts.of(person, question.key))


def _read_once(what: str, read: Callable[[str], T]) -> T:
    """What `read` finds of this person's, asked once in a run of the page until somebody here writes."""
    person = known_profile()
    return once(what, (person, store().state), lambda: read(person))


def attempt(question: Question) -> Attempt | None:
    """The attempt that the page shows: the newest, scored or not; None before the first."""
    return next(iter(attempts(question)), None)


def check_unfinished(question: Question, shown: Attempt | None) -> None:
    """Raise StoreError if the attempt that the page shows, None before the first, was finished elsewhere.

    Otherwise what is done in a tab of yesterday would silently begin another attempt.
    """
    finished = [attempt.id for attempt in attempts(question) if attempt.finished is not None]
    if (shown.id in finished) if shown else finished:
        raise StoreError(
            "This attempt was finished in another tab; nothing was changed. The page shows it as it is now.",
            key="store.finished_elsewhere",
        )


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
    """Begin another attempt with an empty draft, or go on with one from before a mock interview."""
    waiting = any(attempt.finished is None for attempt in attempts(question))
    _open(question)
    if not waiting and (old := draft(question)):
        save_draft(question, "", old.revision + 1, old.revision)


def _open(question: Question) -> Attempt:
    return store().attempts.open(profile(), question.key)


def guarded(action: Callable[P, object]) -> Callable[P, None]:
    """A callback that does `action`; a StoreError becomes a sentence on the page instead of a failure."""

    about = getattr(action, "__qualname__", "")

    def safely(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            action(*args, **kwargs)
        except StoreError as error:
            st.session_state.setdefault(_TROUBLE, {})[about] = errors.said(error)
        else:  # what failed before, in a run that was cut off before it could say so, has worked now
            st.session_state.get(_TROUBLE, {}).pop(about, None)

    return safely


def trouble() -> str | None:
    """What went wrong in the last callbacks, once; else what the store reported when it was opened."""
    notice = store().notice
    return callback_trouble() or (errors.said(notice) if notice else None)


def callback_trouble() -> str | None:
    """What went wrong in the last callbacks, once: for a fragment, which is drawn without its page."""
    return " ".join(st.session_state.pop(_TROUBLE, {}).values()) or None
