"""What is due to be answered again, and the plan of days towards an interview."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

import pandas
import streamlit as st

from pages.ui.progress.kept import Work
from pages.ui.progress.words import Words
from pages.ui.site import store
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.markdown import Markdown
from pages.ui.words.marks import unbroken
from questions import Question
from study.plan import Day, plan
from study.review import Review

_KEY = "progress.interview"
_PLACE = ("plan", "interview")
"""Where the drafts hold the day of the interview, as it belongs to no question."""
_LONGEST = timedelta(days=365)
_MOST_ROWS = 14
Planned = dict[str, tuple[Question, Review]]
"""The scored questions with their next review, by key."""


def section(work: Sequence[Work], words: Words) -> None:
    """Draw the reviews of all scored questions, and the days up to the interview where one is set."""
    planned = {each.question.key: (each.question, found) for each in work if (found := each.review)}
    st.header(t("review.title"), anchor=False)
    on = _interview(words)
    if planned:
        _reviews(planned, words, on)
    if on is not None:
        _days(work, planned, words, on)


def _interview(words: Words) -> date | None:
    """The field for the day of the interview, and what is in it."""
    st.session_state.setdefault(_KEY, coming_interview(words))
    chosen: date | None = st.date_input(
        t("review.interview"),
        key=_KEY,
        min_value=today(words),
        max_value=today(words) + _LONGEST,
        format="YYYY-MM-DD",
        on_change=store.guarded(_keep),
        width=240,
    )
    return chosen


def coming_interview(words: Words) -> date | None:
    """The day of this person's interview; None where none is set, once it is past, and for what is no day,
    as an import may bring in. Raises StoreError.
    """
    found = store.store().drafts.get(store.known_profile(), *_PLACE)
    with contextlib.suppress(ValueError):
        day = date.fromisoformat(found.text) if found and found.text else None
        return day if day and today(words) <= day <= today(words) + _LONGEST else None
    return None


def today(words: Words) -> date:
    """The day that it is now where the reader is."""
    return words.day(time.time()) or date.today()


def _keep() -> None:
    """Keep the day that was chosen; none forgets it."""
    day: date | None = st.session_state[_KEY]
    drafts, owner = store.store().drafts, store.profile()
    found = drafts.get(owner, *_PLACE)
    drafts.save(owner, *_PLACE, day.isoformat() if day else "", (found.revision if found else 0) + 1)


def _reviews(planned: Planned, words: Words, on: date | None) -> None:
    """A row for each scored question, what is due longest first."""
    now = time.time()
    found = sorted(planned.values(), key=lambda pair: pair[1].due)
    due = [question.id for question, plan in found if plan.due <= now]
    st.markdown(t("review.due", questions=Markdown(t("home.and").join(due))) if due else t("review.none_due"))
    rows = [_row(question, plan, words, now, on) for question, plan in found[:_MOST_ROWS]]
    with st.container(key="reviews"):
        st.table(pandas.DataFrame(rows), border="horizontal", hide_index=True)
    st.caption(t("review.rule"))


def _row(question: Question, found: Review, words: Words, now: float, on: date | None) -> dict[str, str]:
    return {
        plain("progress.head.question"): f"{question.id} · {question.short[current_language()]}",
        plain("progress.head.score"): str(found.points),
        **recall(found, words, on),
        plain("review.head.due"): plain("review.now")
        if found.due <= now
        else unbroken(words.date(found.due)),
    }


def recall(found: Review, words: Words, on: date | None) -> dict[str, str]:
    """The column of what one would recall now, and on the day of the interview where one is set.

    Both are in one column, as a phone has no room for another.
    """
    now = time.time()
    shown = _percent(found.recall(now))
    if on is None:
        return {plain("review.head.recall"): shown}
    on_the_day = _percent(found.recall(now + 86_400 * (on - today(words)).days))
    return {plain("review.head.both"): f"{shown} → {on_the_day}"}


def days_to(
    names: Sequence[str], known: Mapping[str, Review], repeated: Collection[str], words: Words, on: date
) -> list[Day]:
    """The days up to the interview for questions, or cards, with these reviews.

    `repeated` are those that were answered more than once.
    """
    now, this_day = time.time(), today(words)
    due = {name: words.day(found.due) or this_day for name, found in known.items()}
    recall = {name: found.recall(now) for name, found in known.items()}
    last = {name: words.day(found.last) or this_day for name, found in known.items()}
    again = {name: last[name] for name in repeated}
    begun = [name for name, day in last.items() if day == this_day and name not in again]
    return plan(names, due, recall, this_day, on, again, begun)


def _days(work: Sequence[Work], planned: Planned, words: Words, on: date) -> None:
    """The plan, a row a day."""
    known = {key: found for key, (_, found) in planned.items()}
    repeated = [each.question.key for each in work if len(each.finished) > 1]
    days = days_to([each.question.key for each in work], known, repeated, words, on)
    if not days:
        st.markdown(t("review.today"))
        return
    names = {each.question.key: each.question.id for each in work}
    rows = [
        {
            plain("progress.head.date"): unbroken(each.day.isoformat()),
            plain("review.head.new"): _list(each.new, names),
            plain("review.head.again"): _list(each.due, names),
            plain("review.head.last"): _list(each.last, names),
        }
        for each in days
    ]
    st.markdown(t("review.plan", days=(on - today(words)).days))
    with st.container(key="plan"):
        st.table(pandas.DataFrame(rows), border="horizontal", hide_index=True)


def _list(keys: Sequence[str], names: dict[str, str]) -> str:
    return plain("claims.comma").join(names[key] for key in keys) or "–"


def _percent(share: float) -> str:
    return plain("review.percent", share=f"{100 * share:.0f}")
