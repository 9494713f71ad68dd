"""Home: what this is, how long it takes, which device was found, and the questions in their five parts."""

from __future__ import annotations

import streamlit as st

from labs.contract.drawing import Figure
from minimind_core.model.config import PRESETS
from minimind_core.model.cost import num_parameters, parameter_counts
from pages.menu import page_of
from pages.ui.experiments import registry
from pages.ui.site.device import device_sentence
from pages.ui.site.later import when_imported
from pages.ui.site.navigate import PLAYGROUND, leave_for
from pages.ui.site.question_list import questions
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.markdown import Markdown
from pages.ui.words.question_text import question_facts
from questions import PARTS, Question

_MODEL = PRESETS["minimind-26m"]


def home() -> None:
    """Draw the whole page."""
    st.title(t("home.title"), anchor=False)
    size = num_parameters(_MODEL)
    st.markdown(t("home.lead", count=len(questions()), millions=f"{size / 1e6:.1f}", wan=f"{size / 1e4:.0f}"))
    _first_panel()
    st.caption(t("home.legend"))
    for part in PARTS:
        st.header(t(f"part.{part}"), anchor=False)
        with st.container(key=f"part-{part}", gap="xsmall"):
            for question in questions():
                if question.part == part:
                    _row(question)
    when_imported("pages.ui.lab.charts", _parameters_chart)


def _first_panel() -> None:
    first = questions()[0]
    shortest = sum(question.minutes[0] for question in questions())
    longest = sum(question.minutes[1] for question in questions())
    with st.container(border=True, key="first"):
        st.markdown(t("home.time", shortest=f"{shortest / 60:.1f}", longest=f"{longest / 60:.1f}"))
        device_sentence()
        st.markdown(_contents())
        with st.container(horizontal=True):
            st.button(
                t("home.start", question=first.id), type="primary", on_click=leave_for, args=(first.slug,)
            )
            st.button(t("home.playground"), on_click=leave_for, args=(PLAYGROUND,))


def _contents() -> str:
    """How many questions are written, and which of them have a lab, as a sentence each."""
    live = Markdown(t("home.and").join(question.id for question in questions() if _has_lab(question)))
    written = sum(question.written for question in questions())
    if written < len(questions()):
        return t("home.labs_so_far", written=written, count=len(questions()), live=live)
    return t("home.labs", count=written, live=live)


def _row(question: Question) -> None:
    title = f"**{question.id} · {question.title[current_language()]} →**"
    facts = f":gray[{question_facts(question)}]"
    if _has_lab(question):
        facts += f" :green[● {t('home.live')}]"
    st.page_link(page_of(question), label=f"{title} :small[{facts}]")


def _has_lab(question: Question) -> bool:
    """Whether something can be measured on its page already."""
    return bool(registry().of_question(question.key))


def _parameters_chart() -> None:
    """Draw the model's parameters as bars; called last, because its imports take long."""
    from pages.ui.lab import charts

    total = num_parameters(_MODEL)
    counts = sorted((count, name) for name, count in parameter_counts(_MODEL).items() if count)
    st.header(t("home.parameters.title", total=f"{total:,}"), anchor=False)
    figure = Figure()
    figure.bars(
        [count for count, _ in counts],
        [plain(f"home.parameters.{name}") for _, name in counts],
        "formula",
        labels=[_amount(count, total) for count, _ in counts],
        horizontal=True,
    )
    figure.x_axis(hidden=True, span=(0, counts[-1][0] * 1.5))
    figure.y_axis(showgrid=False)
    charts.show(figure, key="parameters", height=180, alt=t("home.parameters.alt"))


def _amount(count: int, total: int) -> str:
    """A count of parameters with its share of `total`, in the units of the language."""
    if count < total / 1000:
        return plain("home.parameters.few", count=f"{count:,}")
    return plain(
        "home.parameters.many",
        millions=f"{count / 1e6:.2f}",
        wan=f"{count / 1e4:,.0f}",
        share=f"{100 * count / total:.0f}",
    )


home()
