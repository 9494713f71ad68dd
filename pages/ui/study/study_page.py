"""The page of a question, top to bottom: question, answer, predict, lab, reference, kata, score, next.

Every question is drawn here, one without a lab or still unwritten too. Nothing of the reference answer is
drawn before it is opened, nor the lab before the predictions are made or skipped. Beside it stands the step
rail; only the button of the step that is next has the accent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import streamlit as st

from pages.ui.experiments import registry
from pages.ui.lab import bench
from pages.ui.progress import attempts
from pages.ui.site import question_list, server, store
from pages.ui.site.arrive import at_step
from pages.ui.site.navigate import leave_for
from pages.ui.study import again, draft, hints, kata, predict, reference, rubric, sealed, steps
from pages.ui.study.rail import Rail
from pages.ui.words import errors, prose
from pages.ui.words.i18n import catalogue, current_language, t
from pages.ui.words.question_text import header, renderer_of
from questions import Question, Renderer
from study.store import Attempt, StoreError

Lab = Callable[[], None]


def question_page(name: str, lab: Lab | None = None) -> None:
    """Draw the page of the question called `name`, such as "Q6".

    `lab` draws its lab where that is more than its experiments one below the other.
    """
    question = question_list.question(name)
    beside = Rail() if question.written else None
    header(question)
    if beside is not None:
        _written(question, lab, beside)
    else:
        st.markdown(t("study.unwritten"))
    _neighbours(question)


def _written(question: Question, lab: Lab | None, beside: Rail) -> None:
    """Draw all but the neighbours, and the rail `beside` them.

    What goes wrong is said in a place of its own, so that nothing below is moved, and the field for the
    answer is there whatever the store says.
    """
    trouble = st.container()
    again.notice(question)
    renderer = renderer_of(question)
    _introduction(question, renderer)
    st.header(t("study.answer"), anchor="answer")
    failure = draft.answer(question)
    sentences: list[str | None] = [errors.said(failure) if failure else None]
    try:
        sentences.append(store.trouble())
        _rest(question, lab, renderer, beside)
        attempts.section(question)
    except StoreError as error:
        sentences.append(errors.said(error))
    for sentence in dict.fromkeys(filter(None, sentences)):
        trouble.error(sentence)


def _rest(question: Question, lab: Lab | None, renderer: Renderer, beside: Rail) -> None:
    """Draw what needs the store, hints to follow-ups, and the rail `beside` it. Raises StoreError."""
    beside.draw(question, steps.progress(question))  # at once, as its place is kept from the start
    attempt = store.attempt(question)
    hints.steps(question, attempt, renderer)
    if registry().of_question(question.key):
        _lab(question, lab, attempt, renderer)
    now = steps.progress(question)
    st.header(t("study.reference"), anchor="reference")
    if attempt is None or not reference.is_open(attempt) or not now.settled:
        reference.button(question, locked=not now.settled, next_up=now.current == "reference")
        kata.early(question, renderer)
    else:
        reference.answer(question, attempt, renderer)
        reference.claims(question, renderer)
        kata.section(question, renderer)
        st.header(t("study.score"), anchor="score")
        rubric.section(question)
        _follow_ups(question, renderer)
    beside.draw(question, now, mine=attempt.text if attempt is not None and now.opened else "")
    at_step(steps.opened_since(question, now))


def _introduction(question: Question, renderer: Renderer) -> None:
    examines = renderer.text(question.examines)
    st.markdown(f"*{examines}*" if current_language() == "en" else examines)
    if question.prerequisites:
        _before(map(question_list.question, question.prerequisites))
    st.header(t("study.question"), anchor="question")
    prose.draw_at_top(renderer.fill(question.prose[current_language()].question), renderer)


def _before(others: Iterable[Question]) -> None:
    """Buttons, not links, as between neighbours."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="before"):
        st.markdown(f":small[{t('study.before')}]", width="content")
        for other in others:
            name = f"{other.id} {other.short[current_language()]}"
            st.button(name, key=f"before-{other.id}", type="tertiary", on_click=leave_for, args=(other.slug,))


def _lab(question: Question, lab: Lab | None, attempt: Attempt | None, renderer: Renderer) -> None:
    """Predictions and a sealed ticket, and once these are made or skipped the lab."""
    st.header(t("study.predict"), anchor="predict")
    predict.section(question, attempt, renderer)
    now = steps.progress(question)
    if not now.settled:
        return
    answered = sealed.again(question, attempt, renderer)
    st.header(t("study.lab"), anchor="lab")
    if not answered:
        sealed.lab_waits()
    elif lab is not None:
        lab()
    else:
        _experiments(question, next_up=now.current == "lab")


def _experiments(question: Question, *, next_up: bool) -> None:
    """Every experiment of the question, the primary one first.

    Above them, on a machine without a GPU, the text `lead_cpu` of the lab's catalogue where it has one.
    """
    lead = f"{question.key}.lead_cpu"
    if lead in catalogue(current_language()) and server.worker().status().device == "cpu":
        st.caption(t(lead))
    names = [experiment.id for experiment in registry().of_question(question.key)]
    bench.lab(names, next_up=next_up)


def _follow_ups(question: Question, renderer: Renderer) -> None:
    st.header(t("study.follow_ups"), anchor="follow-ups")
    with st.container(key="follow-ups", gap="xxsmall"):
        for follow_up in question.follow_ups:
            with st.expander(renderer.text(follow_up.question)):
                prose.draw(renderer.text(follow_up.answer), renderer)
    with st.expander(t("study.cues")):
        for cue in question.cues:
            st.markdown(f"**{t(f'score.tier.{cue.tier}')}**  \n{renderer.text(cue.text)}")


def _neighbours(question: Question) -> None:
    """Buttons, not links: a fast click on a link can lose what was typed last."""
    headers = question_list.headers()
    index = [header.id for header in headers].index(question.id)
    st.space("medium")
    with st.container(horizontal=True, horizontal_alignment="distribute", key="neighbours"):
        for neighbour, label in ((index - 1, "←  {}"), (index + 1, "{}  →")):
            if 0 <= neighbour < len(headers):
                target = headers[neighbour]
                text = label.format(f"{target.id} {target.short[current_language()]}")
                st.button(text, key=f"go-{target.id}", on_click=leave_for, args=(target.slug,))
