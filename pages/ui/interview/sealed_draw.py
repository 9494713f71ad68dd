"""The console's part of sealed tickets: draw one for the question, and see what the candidate is asked."""

from __future__ import annotations

import streamlit as st

from pages.ui.interview import kept
from pages.ui.interview.kept import Line
from pages.ui.progress import tickets
from pages.ui.site import store
from pages.ui.words.i18n import t
from questions import Question, Renderer


def draw(line: Line, question: Question, renderer: Renderer) -> None:
    """Draw the ticket, and the button that draws another as long as nobody has answered it."""
    if not question.tickets:
        return
    st.subheader(t("ticket.head"), anchor=False)
    drawn, shown = tickets.of_text(line.shown.ticket), line.shown
    if drawn is not None:
        st.markdown(f"**{drawn.text}** {renderer.text(drawn.prediction.question)}")
    else:
        st.caption(t("ticket.console"))
    if drawn is None or drawn.prediction.id not in shown.work.predictions:
        st.button(
            t("ticket.draw" if drawn is None else "ticket.another"),
            key=f"interview.ticket.{question.key}",
            on_click=store.guarded(lambda: _draw(line, question)),
        )


def _draw(line: Line, question: Question) -> None:
    """Draw it, unless the one before was answered in the meantime."""
    now = kept.line(line.interview).shown
    before, drawn = tickets.of_text(now.ticket), tickets.anew(question)
    if drawn is not None and not (before and before.prediction.id in now.work.predictions):
        kept.draw_ticket(line.interview, question.key, drawn.text)
