"""What a result says: one sentence of three numbers, its figures, the exact table. Knows no question.

A result comes with its settings and where it was made, as a `Finding`; what is a formula's, measured
here or recorded elsewhere is said, and drawn so that the three are never mixed up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pandas
import streamlit as st

from labs.contract.experiment import Experiment, Result, Row
from labs.contract.fields import Params
from pages.ui.lab import charts, lesson
from pages.ui.lab.folded import folded
from pages.ui.words.i18n import t

Kind = Literal["measured", "recorded", "formula"]
HEIGHT = 360
_MARKDOWN = re.compile(r"[\\`*\[\]<>$#!~|]")


@dataclass(frozen=True)
class Finding:
    """A result that is not completed by `view` yet, with its settings. `where` says where it comes from."""

    params: Params
    result: Result
    kind: Kind
    where: str = ""


def draw(this: Experiment, finding: Finding, result: Result) -> None:
    """Of a completed `result`: the sentence, the main figure with notes and table, the other figures."""
    if finding.kind != "formula":
        lesson.sentence(this, finding.params, result, here=finding.kind == "measured")
    main, *others = this.figures(result, t).items()
    figures(this, dict([main]), finding.kind, named=bool(others))
    for note in this.notes(result, t):
        st.caption(note)
    if rows := this.table(result, t):
        folded(t("bench.table"), partial(_table, rows), key=f"{this.id}.table")
    figures(this, dict(others), finding.kind, named=True)


def figures(
    this: Experiment,
    drawn: Mapping[str, Any],
    kind: Kind,
    *,
    named: bool,
    key: str = "",
    height: int | None = None,
) -> None:
    """Figures of the lab, as high as said here or by the lab; `named` where there are several.

    `key` tells several runs apart.
    """
    for name, figure in drawn.items():
        if kind == "recorded":
            charts.mark_as_recorded(figure)
        title = t(f"{this.question}.figure.{this.name}.{name}")
        if named:
            st.markdown(f"**{title}**")
        charts.show(
            figure, key=f"{this.id}.{name}{key}", alt=title, height=height or figure.layout.height or HEIGHT
        )


def _table(rows: list[Row]) -> None:
    frame = pandas.DataFrame([{name: shown(value) for name, value in row.items()} for row in rows])
    st.table(frame, border="horizontal", hide_index=True)


def shown(value: str | int | float, digits: int = 4) -> str:
    """A value of a table: thousands apart, so many significant digits; text as it is, never as Markdown.

    >>> shown(33554432), shown(0.123456), shown("gqa")
    ('33,554,432', '0.1235', 'gqa')
    """
    if isinstance(value, str | bool):
        return _MARKDOWN.sub(r"\\\g<0>", str(value))
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 10**digits else f"{value:,.{digits}g}"
