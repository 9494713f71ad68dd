"""Progress: what was scored, how well predictions went, over all questions, and all of it to take away."""

from __future__ import annotations

import pandas
import streamlit as st

from pages.ui.deck import kept as cards
from pages.ui.deck.plans import plans
from pages.ui.progress import calibration, history, reviews, take_away
from pages.ui.progress.kept import Work, all_work
from pages.ui.progress.words import Words, session_words
from pages.ui.site import away
from pages.ui.site.newest import newest, rest
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.markdown import Markdown, literal
from questions import Question
from study.progress import summary
from study.store import Attempt, StoreError

Scored = tuple[Question, Attempt, int]
"""A scored attempt and its number."""


def progress() -> None:
    """Draw the whole page."""
    st.title(t("progress.title"), anchor=False)
    try:
        work = all_work()
    except StoreError as error:
        away.say(error)
        return
    _head(work)
    reviews.section(work, session_words())
    _cards(work)
    history.section(work, session_words())
    _scored(work)
    _calibration(work)


def _head(work: list[Work]) -> None:
    done = summary(each.standing for each in work)
    if done.scored:
        st.markdown(t("progress.lead", scored=done.scored, count=done.questions, median=f"{done.median:g}"))
    else:
        st.markdown(t("progress.lead_none") + " " + t("progress.nothing"))


def _cards(work: list[Work]) -> None:
    """How many cards of the checklist are due, and the way to them."""
    if count := plans(cards.in_sight(work), cards.answers(), session_words()).num_due:
        st.markdown(t("deck.due", count=count))


def _scored(work: list[Work]) -> None:
    """All scored attempts, the newest first, and the buttons that take them away."""
    found = [(each.question, attempt, index) for each in work for index, attempt in each.finished]
    if not found:
        return
    found.sort(key=lambda scored: scored[1].finished or 0.0, reverse=True)
    st.header(t("progress.attempts"), anchor=False)
    words = session_words()
    rows = [_row(scored, words) for scored in newest(found, "scored")]
    head = [t(f"progress.head.{name}") for name in ("question", "score", "date", "time")]
    with st.container(key="scored"):
        st.table(pandas.DataFrame(rows, columns=head), border="horizontal", hide_index=True)
    rest(found, "scored")
    labels = [_choice(scored, words) for scored in found]
    chosen = st.selectbox(t("progress.which"), range(len(found)), format_func=labels.__getitem__)
    question, attempt, index = found[chosen]
    take_away.buttons(question, attempt, index, key="progress.take")
    if len(found) > 1:
        take_away.bundle(found, key="progress.bundle")


def _row(scored: Scored, words: Words) -> tuple[str, ...]:
    question, attempt, index = scored
    name = f"{question.id} · {question.short[current_language()]}"
    if index > 1:
        name = t("progress.attempt", name=Markdown(name), index=index)
    date = words.date(attempt.finished or 0.0)
    return name, str(attempt.tier), date, literal(words.duration(attempt.seconds))


def _choice(scored: Scored, words: Words) -> str:
    question, attempt, index = scored
    date = words.date_and_time(attempt.finished or 0.0)
    return plain("progress.choice", question=question.id, index=index, points=attempt.tier, date=date)


def _calibration(work: list[Work]) -> None:
    """Nothing of a question that is being predicted again: its numbers would give the answer away."""
    judged = [each for one in work for each in one.judged]
    hidden = [one.question.id for one in work if one.withheld]
    if not judged and not hidden:
        return
    st.header(t("calibration.title"), anchor=False)
    if judged:
        calibration.section(judged)
    if hidden:
        st.caption(t("calibration.hidden", questions=Markdown(t("home.and").join(hidden))))


progress()
