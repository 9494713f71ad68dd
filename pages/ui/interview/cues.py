"""What an interviewer has at hand for a question: what to listen for, what to ask next, what goes wrong."""

from __future__ import annotations

import streamlit as st

from pages.ui.interview.console_parts import LISTEN
from pages.ui.words import prose
from pages.ui.words.i18n import current_language, t
from questions import SPOKEN, Question, Renderer


def draw(question: Question, renderer: Renderer) -> None:
    """Draw cues by tier, follow-ups with their answers, common mistakes, the answer of 90 seconds."""
    st.subheader(t("interview.listen"), anchor=LISTEN)
    for cue in question.cues:
        st.markdown(f"**{t(f'score.tier.{cue.tier}')}**  \n{renderer.text(cue.text)}")
    st.subheader(t("study.follow_ups"), anchor=False)
    with st.container(key="interview-follow-ups", gap="xxsmall"):
        for follow_up in question.follow_ups:
            with st.expander(renderer.text(follow_up.question)):
                prose.draw(renderer.text(follow_up.answer), renderer)
    st.subheader(t("interview.mistakes"), anchor=False)
    with st.container(key="interview-mistakes", gap="xxsmall"):
        _mistakes(question, renderer)
    with st.expander(SPOKEN[current_language()]):
        prose.draw(renderer.fill(question.prose[current_language()].spoken), renderer)


def _mistakes(question: Question, renderer: Renderer) -> None:
    """Wrong answers that tempt, and what is often said instead."""
    for prediction in question.predictions:
        if prediction.wrong_answers:
            with st.expander(renderer.text(prediction.question)):
                for wrong in prediction.wrong_answers:
                    st.markdown(f"- {renderer.text(wrong.text)}")
    for section in question.prose[current_language()].answer:
        if section.often_said:
            with st.expander(renderer.fill(section.title)):
                prose.draw(renderer.fill(section.often_said), renderer)
