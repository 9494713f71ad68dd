"""The scored attempts on the page of a question: the one in view to take away, earlier ones to read.

While a question is answered again, an earlier attempt shows its text and its score; what was measured, and
the rubric, only once the reference is open again.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui.lab.folded import folded
from pages.ui.progress import printed, take_away
from pages.ui.progress.kept import Work, work_on
from pages.ui.progress.words import session_words
from pages.ui.site.newest import newest, rest
from pages.ui.words.i18n import t
from pages.ui.words.markdown import literal
from pages.ui.words.question_text import renderer_of
from questions import Question
from study.report import Block, Marked, Picture, Section, Table, Tick, Written
from study.store import Attempt


def section(question: Question) -> None:
    """Draw the section; nothing before the first score. Raises StoreError."""
    work = work_on(question)
    if not work.finished:
        return
    earlier = [(index, attempt) for index, attempt in work.finished if index < len(work.attempts)]
    with st.container(key="attempts", gap="small"):
        st.header(t("attempts.title"), anchor=False)
        if work.attempts[0].finished is not None:
            st.markdown(t("attempts.take_away"))
            take_away.buttons(question, work.attempts[0], len(work.attempts), key=f"{question.key}.take")
        if earlier:
            st.markdown(f"**{t('attempts.earlier', count=len(earlier))}**")
        for index, attempt in newest(earlier, f"{question.key}.attempts"):
            _earlier(work, attempt, index)
        rest(earlier, f"{question.key}.attempts")


def _earlier(work: Work, attempt: Attempt, index: int) -> None:
    words = session_words()
    finished = words.date_and_time(attempt.finished or 0.0)
    label = t("attempts.one", index=index, points=attempt.tier, date=finished)

    def draw() -> None:
        if work.in_sight:
            for part in printed.own_sections(renderer_of(work.question), attempt, words):
                draw_section(part)
            take_away.buttons(work.question, attempt, index, key=f"{work.question.key}.take.{index}")
        else:
            draw_section(printed.answer(attempt, words))
            st.caption(t("attempts.hidden"))

    folded(
        f"{label} · {words.duration(attempt.seconds)}", draw, key=f"{work.question.key}.attempt.{attempt.id}"
    )


def draw_section(part: Section) -> None:
    """Draw a part of a report on a page."""
    st.markdown(f"**{literal(part.heading)}**")
    for block in part.blocks:
        _block(block)


def _block(block: Block) -> None:
    assert not isinstance(block, Picture), "a page has plots of its own"
    if isinstance(block, Written):
        st.text(block.text)
    elif isinstance(block, Table):
        st.markdown("\n\n".join(_row(block.head, row) for row in block.rows))
    elif isinstance(block, tuple):
        st.markdown("  \n".join(map(_tick, block)))
    else:
        st.markdown(_markdown(block))


def _row(head: Sequence[str], row: Sequence[str]) -> str:
    """The first cell on a line of its own, the others named below it: that is read on a phone too."""
    cells = [f":gray[{literal(name)}] {_markdown(cell)}" for name, cell in zip(head, row, strict=True)]
    return "  \n".join((_markdown(row[0]), " · ".join(cells[1:])))


def _tick(tick: Tick) -> str:
    note = f" :small[:gray[({literal(tick.note)})]]" if tick.note else ""
    return f"{'☑' if tick.done else '☐'} {_markdown(tick.text)}{note}"


def _markdown(text: str) -> str:
    return str(text) if isinstance(text, Marked) else literal(text)
