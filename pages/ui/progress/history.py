"""Scores over time as a chart, and by part in numbers: the time that answers took beside their budget."""

from __future__ import annotations

from collections.abc import Sequence

import pandas
import streamlit as st

from labs.contract.drawing import Figure
from pages.ui.lab import charts
from pages.ui.progress.kept import Work
from pages.ui.progress.words import Words
from pages.ui.words.i18n import plain, t
from study.history import Moment, PartTotals, by_part, over_time

HEIGHT = 300


def section(work: Sequence[Work], words: Words) -> None:
    """Draw both; nothing before the first score, and no chart of a single one."""
    moments = over_time(attempt for each in work for attempt in each.attempts)
    if not moments:
        return
    st.header(t("history.title"), anchor=False)
    if len(moments) > 1:
        alt = plain("history.alt", count=len(moments))
        charts.show(figure(moments, words), key="history", height=HEIGHT, alt=alt)
    parts = by_part([(each.question, each.attempts) for each in work])
    head = [t(f"history.head.{name}") for name in ("part", "scored", "median", "time")]
    rows = [_row(t(f"part.{part}"), totals, words) for part, totals in parts.items()]
    with st.container(key="history-parts"):
        st.table(pandas.DataFrame(rows, columns=head), border="horizontal", hide_index=True)
    st.caption(t("history.note"))


def figure(moments: Sequence[Moment], words: Words) -> Figure:
    """Each scored answer as a mark, the mean of the newest score of each question as a line."""
    drawn = Figure()
    numbers = list(range(1, len(moments) + 1))
    hover = [f"{each.question.upper()}: {each.points} · {words.date(each.moment)}" for each in moments]
    drawn.marks(
        numbers,
        [each.points for each in moments],
        "peer",
        plain("history.answer"),
        size=9,
        hover="%{customdata}",
        customdata=hover,
    )
    drawn.line(numbers, [each.mean for each in moments], "measured", plain("history.mean"), shape="hv")
    drawn.x_axis(plain("history.order"), span=(0.5, len(moments) + 0.5))
    drawn.y_axis(plain("history.points"), span=(-5, 105))
    return drawn


def _row(name: str, totals: PartTotals, words: Words) -> tuple[str, ...]:
    median = "–" if totals.median is None else f"{totals.median:g}"
    time = t(
        "history.of_allowed", used=words.duration(totals.seconds), allowed=words.duration(totals.allowed)
    )
    scored = t("history.of", scored=totals.scored, count=totals.questions)
    return name, scored, median, time if totals.scored else "–"
