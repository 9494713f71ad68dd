"""What a result says: one sentence of three numbers, its figures, the exact table. Knows no question.

A result comes with its settings and where it was made, as a `Finding`; what is a formula's, measured
here or recorded elsewhere is said, and drawn so that the three are never mixed up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import pandas
import streamlit as st

from labs.contract import Data, Experiment, Row, Shown
from labs.contract.drawing import Figure
from labs.tools.written import SMALL, small_number
from pages.ui.lab import charts, lesson
from pages.ui.lab.finding import Finding, Kind
from pages.ui.lab.folded import folded
from pages.ui.site import store
from pages.ui.site.desk import Desk
from pages.ui.words.i18n import t, words_of_lab
from pages.ui.words.markdown import literal, markdown_of
from pages.ui.words.marks import labelled
from questions.values import MINUS

HEIGHT = 360


def shown(experiment: Experiment, result: Data) -> Shown:
    """What a reader sees of a completed result, in the session's language."""
    return experiment.show(result, words_of_lab(experiment.lab))


def draw(
    experiment: Experiment,
    finding: Finding,
    result: Data,
    *,
    on_drag: charts.Dragged | None = None,
    desk: Desk = store,
) -> None:
    """Of a completed `result`: the sentence, the main figure with notes and table, the other figures.

    `on_drag` hears of a line in one of the others that was dragged; `desk` has the predictions of whoever
    looks.
    """
    drawn = shown(experiment, result)
    if finding.kind != "formula" and drawn.sentence is not None:
        here = finding.kind == "measured"
        lesson.sentence(experiment, finding.params, result, drawn.sentence, here=here, desk=desk)
    main, *others = drawn.figures.items()
    figures(experiment, dict([main]), finding.kind, named=bool(others))
    for note in drawn.notes:
        st.caption(markdown_of(note))
    if drawn.rows:
        folded(t("bench.table"), partial(_table, drawn.rows), key=f"{experiment.id}.table")
    figures(experiment, dict(others), finding.kind, named=True, on_drag=on_drag)


def figures(
    experiment: Experiment,
    drawn: Mapping[str, Figure],
    kind: Kind,
    *,
    named: bool,
    key: str = "",
    height: int | None = None,
    on_drag: charts.Dragged | None = None,
) -> None:
    """Figures of the lab, as high as said here or by the lab; `named` where there are several.

    `key` tells several runs apart.
    """
    for name, figure in drawn.items():
        title = t(f"{experiment.lab}.figure.{experiment.name}.{name}")
        if named:
            st.markdown(f"**{title}**")
        charts.show(
            figure,
            key=f"{experiment.id}.{name}{key}",
            alt=title,
            height=height or figure.height or HEIGHT,
            recorded=kind == "recorded",
            on_drag=on_drag,
        )


def _table(rows: Sequence[Row]) -> None:
    frame = pandas.DataFrame([{labelled(name): cell(value) for name, value in row.items()} for row in rows])
    st.table(frame, border="horizontal", hide_index=True)


def cell(value: str | int | float, digits: int = 4) -> str:
    """A value of a table: thousands apart, so many significant digits; text as it is, never as Markdown.

    >>> cell(33554432), cell(-0.123456), cell(1.526e-05), cell("gqa")
    ('33,554,432', '−0.1235', '1.526 × 10⁻⁵', 'gqa')
    """
    if isinstance(value, str | bool):
        return literal(str(value))
    if 0 < abs(value) < SMALL:
        return small_number(value, digits)
    whole = isinstance(value, int) or abs(value) >= 10**digits
    return (f"{value:,.0f}" if whole else f"{value:,.{digits}g}").replace("-", MINUS)
