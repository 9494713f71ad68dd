"""What is due to be answered again, and the plan of days towards an interview."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from datetime import date, timedelta

import pandas
import streamlit as st

from pages.ui.progress.kept import Work
from pages.ui.progress.words import Words
from pages.ui.site import store
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.markdown import Markdown
from questions import Question
from study.plan import plan
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
    today = words.day(time.time()) or date.today()
    on = _interview(today)
    if planned:
        _reviews(planned, words, on)
    if on is not None:
        _days(work, planned, words, today, on)


def _interview(today: date) -> date | None:
    """The field for the day of the interview, and what is in it."""
    day = interview_day()
    st.session_state.setdefault(_KEY, day if day and today <= day <= today + _LONGEST else None)
    chosen: date | None = st.date_input(
        t("review.interview"),
        key=_KEY,
        min_value=today,
        max_value=today + _LONGEST,
        format="YYYY-MM-DD",
        on_change=store.guarded(_keep),
        width=240,
    )
    return chosen


def interview_day() -> date | None:
    """The day of this person's interview; None where none is set, or an import brought in something else."""
    found = store.store().drafts.get(store.known_profile(), *_PLACE)
    with contextlib.suppress(ValueError):
        return date.fromisoformat(found.text) if found and found.text else None
    return None


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
    row = {
        plain("progress.head.question"): f"{question.id} · {question.short[current_language()]}",
        plain("progress.head.score"): str(found.points),
        plain("review.head.recall"): _percent(found.recall(now)),
        plain("review.head.due"): plain("review.now")
        if found.due <= now
        else _unbroken(words.date(found.due)),
    }
    if on is not None:
        days = (on - (words.day(now) or on)).days
        row[plain("review.head.on_the_day")] = _percent(found.recall(now + 86_400 * days))
    return row


def _days(work: Sequence[Work], planned: Planned, words: Words, today: date, on: date) -> None:
    """The plan, a row a day."""
    now = time.time()
    due = {key: words.day(found.due) or today for key, (_, found) in planned.items()}
    recall = {key: found.recall(now) for key, (_, found) in planned.items()}
    again = {
        each.question.key: words.day(found.last) or today
        for each in work
        if (found := each.review) and len(each.finished) > 1
    }
    days = plan([each.question.key for each in work], due, recall, today, on, again)
    if not days:
        st.markdown(t("review.today"))
        return
    names = {each.question.key: each.question.id for each in work}
    rows = [
        {
            plain("progress.head.date"): _unbroken(each.day.isoformat()),
            plain("review.head.new"): _list(each.new, names),
            plain("review.head.again"): _list(each.due, names),
            plain("review.head.last"): _list(each.last, names),
        }
        for each in days
    ]
    st.markdown(t("review.plan", days=(on - today).days))
    with st.container(key="plan"):
        st.table(pandas.DataFrame(rows), border="horizontal", hide_index=True)


def _unbroken(day: str) -> str:
    """A date that stays on one line of a narrow column."""
    return day.replace("-", "\N{NON-BREAKING HYPHEN}")


def _list(keys: Sequence[str], names: dict[str, str]) -> str:
    return plain("claims.comma").join(names[key] for key in keys) or "–"


def _percent(share: float) -> str:
    return plain("review.percent", share=f"{100 * share:.0f}")
