"""Home: what this is, how long it takes, which device was found, and what was done of each question."""

from __future__ import annotations

import contextlib
import time

import streamlit as st

from labs.contract.drawing import Figure
from minimind_core.model.config import PRESETS
from minimind_core.model.cost import num_parameters, parameter_counts
from pages.menu import SIDEBAR, page_of
from pages.ui.experiments import registry
from pages.ui.site.device import device_sentence
from pages.ui.site.later import is_imported, when_imported
from pages.ui.site.navigate import PLAYGROUND, leave_for
from pages.ui.site.question_list import headers
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.markdown import Markdown, literal
from pages.ui.words.question_text import level_dots
from questions import PARTS, Header
from study.progress import Standing, next_question, summary

_MODEL = PRESETS["minimind-26m"]
_WHOLE_MINUTES = 45
"""A plan, not a measurement: an answer, some runs of the lab, a reference answer to read, and the rubric."""


def home() -> None:
    """Draw the whole page."""
    st.title(t("home.title"), anchor=False)
    size = num_parameters(_MODEL)
    st.markdown(t("home.lead", count=len(headers()), millions=f"{size / 1e6:.1f}", wan=f"{size / 1e4:.0f}"))
    standings = _standings()
    _first_panel(list(standings.values()))
    st.caption(t("home.legend"))
    for part in PARTS:
        st.header(t(f"part.{part}"), anchor=False)
        with st.container(key=f"part-{part}", gap="xsmall"):
            for each in headers():
                if each.part == part:
                    _row(each, standings[each.key])
    when_imported("pages.ui.lab.charts", _parameters_chart)


def _standings() -> dict[str, Standing]:
    """Where each question stands, by its key; nowhere while the store is not imported yet, or fails.

    The frame imports it after the first page of a fresh server, and draws that page again.
    """
    known = {}
    if is_imported(SIDEBAR):
        from pages.ui.progress.kept import all_work
        from study.store import StoreError

        with contextlib.suppress(StoreError):
            known = {work.question.key: work.standing for work in all_work()}
    return {each.key: known.get(each.key, Standing(each.key)) for each in headers()}


def _first_panel(standings: list[Standing]) -> None:
    done = summary(standings)
    with st.container(border=True, key="first"):
        if done.scored:
            median = f"{done.median:g}"
            st.markdown(f"**{t('home.progress', scored=done.scored, count=done.questions, median=median)}**")
        st.markdown(
            t(
                "home.time",
                shortest=min(each.minutes[0] for each in headers()),
                longest=max(each.minutes[1] for each in headers()),
                whole=_WHOLE_MINUTES,
            )
        )
        device_sentence()
        st.markdown(_contents())
        with st.container(horizontal=True):
            _go_on(next_question(standings, time.time()))
            st.button(t("home.playground"), on_click=leave_for, args=(PLAYGROUND,))


def _go_on(standing: Standing) -> None:
    """The button for what comes next: go on, begin, or answer the weakest again."""
    target = next(each for each in headers() if each.key == standing.question)
    if standing.unfinished:
        label = t("home.go_on", question=target.id, step=t(f"progress.step.{standing.step}"))
    elif standing.is_due(time.time()):
        label = t("home.due", question=target.id)
    else:
        label = t("home.start" if standing.points is None else "home.again", question=target.id)
    st.button(label, type="primary", key="home.next", on_click=leave_for, args=(target.slug,))


def _contents() -> str:
    """How many questions are written, and which of them have a lab, as a sentence each."""
    live = [each.id for each in headers() if _has_lab(each)]
    written, count = sum(each.written for each in headers()), len(headers())
    names = Markdown(t("home.and").join(live))
    if written < count:
        return t("home.labs_so_far", written=written, count=count, live=names)
    return t("home.labs_all" if len(live) == count else "home.labs", count=count, live=names)


def _row(each: Header, standing: Standing) -> None:
    """A link with short title, level and, at its end, where the question stands."""
    facts = [level_dots(each)]
    if _has_lab(each):
        facts.append(t("home.live"))
    name = f"**{each.id} · {each.short[current_language()]}**"
    label = f"{name} :small[:gray[{' · '.join(facts)}]] {_status(standing)}"
    st.page_link(page_of(each), label=label, width="stretch")


def _status(standing: Standing) -> str:
    """A chip that says it in words; what is unfinished stands out."""
    if standing.stage == "new":
        return ":small[:gray[–]]"
    from pages.ui.progress.words import session_words

    status = literal(session_words().status(standing))
    return f":gray-badge[**{status}**]" if standing.unfinished else f":gray-badge[{status}]"


def _has_lab(each: Header) -> bool:
    """Whether something can be measured on its page already."""
    return each.key in registry().labs


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
