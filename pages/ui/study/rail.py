"""The step rail: where one is on the page of a question, what is done and what is next, and the clock.

On a wide screen it stands in the right margin and stays in sight, on a narrow one it is a line at the top
(style.css). The clock is draft.js's, which writes into it. Links only, no widget.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

import streamlit as st

from pages.ui.experiments import registry
from pages.ui.study.steps import Progress
from pages.ui.words.i18n import plain
from pages.ui.words.question_text import minutes_text
from questions import Question

_MARKS = {"done": "✓", "current": "●", "open": "○", "locked": "○"}


@dataclass(frozen=True)
class _Step:
    anchor: str
    state: str
    detail: str = ""


class Rail:
    """The rail's place on the page, made first; it is drawn once it is known how far the attempt is."""

    def __init__(self) -> None:
        with st.container(key="rail"):
            self._place = st.empty()

    def draw(self, question: Question, now: Progress, mine: str = "") -> None:
        """Draw it, and below it on a wide screen `mine`, the answer that the reference stands beside."""
        items = "".join(_item(question, step) for step in _steps(now))
        own = _own(mine) if mine.strip() else ""
        time = f"{now.seconds // 60}:{now.seconds % 60:02}"
        self._place.html(
            f'<nav class="rail" aria-label="{html.escape(plain("rail.label"))}"><ol>{items}</ol></nav>'
            f'<p class="rail-time"><span class="rail-clock">{time}</span> '
            f"<span>/ {html.escape(minutes_text(question))}</span></p>{own}"
        )


def _steps(now: Progress) -> Iterator[_Step]:
    yield _Step("question", "done" if now.words or now.opened else "open")
    words = plain("rail.words", count=f"{now.words:,}") if now.words else ""
    yield _Step("answer", _state(now, "answer", done=bool(now.words)), words)
    if now.has_lab:
        counted = plain("rail.predicted", count=now.predicted, of=now.asked)
        yield _Step("predict", _state(now, "predict", done=now.settled), counted)
        yield _Step("lab", _state(now, "lab", done=now.measured, locked=not now.settled))
    locked = plain("rail.locked") if not now.settled else ""
    yield _Step("reference", _state(now, "reference", done=now.opened, locked=not now.settled), locked)
    points = plain("rail.points", points=now.points) if now.finished else ""
    yield _Step("score", _state(now, "score", done=now.finished, locked=not now.opened), points)


def _state(now: Progress, step: str, *, done: bool, locked: bool = False) -> str:
    if now.current == step:
        return "current"
    return "done" if done else "locked" if locked else "open"


def _item(question: Question, step: _Step) -> str:
    name = html.escape(plain(f"rail.{step.anchor}"))
    mark = f'<span class="mark" aria-hidden="true">{_MARKS[step.state]}</span>'
    state = plain("rail.is.said", state=plain(f"rail.is.{step.state}"))
    said = f'<span class="unseen">{html.escape(state)}</span>'
    detail = f"<small>{html.escape(step.detail)}</small>" if step.detail else ""
    inner = f"{mark}<span>{name}{said} {detail}</span>"
    if step.state == "locked":
        return f'<li class="locked"><span class="step">{inner}</span></li>'
    below = _experiments(question) if step.anchor == "lab" else ""
    here = ' aria-current="step"' if step.state == "current" else ""
    return f'<li class="{step.state}"><a class="step" href="#{step.anchor}"{here}>{inner}</a>{below}</li>'


def _experiments(question: Question) -> str:
    names = "".join(
        f'<li><a href="#lab-{experiment.name}">{html.escape(plain(experiment.title))}</a></li>'
        for experiment in registry().of_question(question.key)
    )
    return f"<ol>{names}</ol>"


def _own(text: str) -> str:
    label = html.escape(plain("reference.mine"))
    return (
        f'<section class="rail-mine" tabindex="0" aria-label="{label}"><h2>{label}</h2>'
        f"<p>{html.escape(text)}</p></section>"
    )
