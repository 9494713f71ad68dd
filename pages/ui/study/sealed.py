"""A sealed ticket on a page: what it asks, the form or the card, and the command that repeats it.

On the study page another attempt may take one, after a mock interview with tickets each answer has one: the
settings are changed, so that the number of last time is of no use. An attempt has always the same ticket.
Until it is answered or skipped the lab stays closed: set alike, it would say the answer.
"""

from __future__ import annotations

import streamlit as st

from labs.tickets import Ticket
from pages.ui.progress import tickets
from pages.ui.site import store
from pages.ui.site.desk import Desk
from pages.ui.study import predict
from pages.ui.words.i18n import t
from questions import Question, Renderer
from study.store import Attempt


def again(question: Question, attempt: Attempt | None, renderer: Renderer) -> bool:
    """Draw the ticket of an unfinished attempt that is not the first, as `asked` does; none for any other."""
    if attempt is None or attempt.finished is not None or len(store.attempts(question)) < 2:
        return True
    return asked(question, attempt, renderer)


def asked(question: Question, attempt: Attempt, renderer: Renderer) -> bool:
    """Draw the ticket of an attempt; False while it is still to be answered or skipped."""
    ticket = tickets.of_attempt(question, attempt.id)
    return ticket is None or section(question, ticket, attempt, renderer)


def section(
    question: Question, ticket: Ticket, attempt: Attempt | None, renderer: Renderer, desk: Desk = store
) -> bool:
    """Draw one ticket; False while it is still to be answered or skipped."""
    with st.container(key=f"{question.key}-ticket", gap="small"):
        st.subheader(t("ticket.title", ticket=ticket.text), anchor="ticket")
        done = predict.answered((ticket.prediction,), attempt)
        st.caption(t("ticket.repeat" if done else "ticket.about"))
        if done:
            st.code(f"python -m labs run --ticket {ticket.text}", language="bash")
        predict.ask(question, (ticket.prediction,), attempt, renderer, desk)
    return done


def lab_waits() -> None:
    """Say why the lab is not there yet."""
    st.markdown(t("ticket.lab_waits"))
