"""Predicted against measured, over all questions: one chart, and how each part went in numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas
import streamlit as st

from labs.contract.drawing import Figure, error_bars, power_ticks
from pages.ui.lab import charts
from pages.ui.progress.three_numbers import number, shown
from pages.ui.words.i18n import plain, t
from pages.ui.words.question_text import renderer_of
from study.calibration import Judged, by_part, coverage
from study.predictions import Calibration, calibrate

HEIGHT = 460
BAND = 2
"""Within this factor a prediction stands in the shaded band."""
_SYMBOLS = {1: "circle", 2: "square", 3: "diamond", 4: "triangle-up", 5: "cross"}
_MOST_TICKS = 8
_RIGHT = 1.05
"""A bias of less than five percent is none."""


def section(judged: Sequence[Judged]) -> None:
    """Draw the chart where something can stand in it, then the table and what is counted apart."""
    drawn = [each for each in judged if each.point is not None]
    if drawn:
        st.markdown(t("calibration.lead", factor=BAND))
        charts.show(
            figure(drawn), key="calibration", height=HEIGHT, alt=plain("calibration.alt", count=len(drawn))
        )
    _table(judged)
    total = calibrate(each.outcome for each in judged)
    notes = [t("calibration.first")]
    if len(drawn) < total.made:
        notes.append(t("calibration.undrawn", count=total.made - len(drawn)))
    if total.skipped:
        notes.append(t("calibration.skipped", count=total.skipped))
    ranges = coverage(judged)
    if ranges.given:
        notes.append(t("calibration.ranges", held=ranges.held, given=ranges.given))
    st.caption("  \n".join(notes))


def figure(judged: Sequence[Judged]) -> Figure:
    """Marks by part around the diagonal, on equal logarithmic axes; each needs a `point`."""
    places = [place for each in judged if each.point for place in each.point]
    low, high = min(places) / 3, max(places) * 3
    drawn = Figure()
    drawn.layout["legend"] = {"traceorder": "normal"}  # else a filled band turns it around
    drawn.line([low, high], [low / BAND, high / BAND], "peer", width=0, showlegend=False)
    drawn.line(
        [low, high],
        [low * BAND, high * BAND],
        "peer",
        plain("calibration.band", factor=BAND),
        width=0,
        fill="tonexty",
        fillcolor="rgba(139, 135, 129, 0.16)",
    )
    drawn.line([low, high], [low, high], "measured", plain("calibration.diagonal"), width=1.5)
    named = _named(judged, room=0.05 * math.log10(high / low))
    for part in sorted({each.question.part for each in judged}):
        _marks(drawn, part, [each for each in judged if each.question.part == part], named)
    decades = len(power_ticks(low, high))
    ticks = power_ticks(low, high, every=1 + decades // _MOST_TICKS)
    span = (math.log10(low), math.log10(high))
    drawn.x_axis(plain("calibration.measured"), log=True, span=span, ticks=ticks)
    drawn.y_axis(plain("calibration.predicted"), log=True, span=span, ticks=ticks)
    return drawn


def _named(judged: Sequence[Judged], *, room: float) -> set[int]:
    """Which marks bear the name of their question, by `id`: none whose name would lie on another's.

    `room` is how far apart names must be, in powers of ten. The furthest from the diagonal come first.
    """
    taken: list[tuple[float, float]] = []
    named = set()
    for each in sorted(judged, key=lambda each: -abs(math.log(each.outcome.ratio or 1.0))):
        x, y = map(math.log10, each.point or (1.0, 1.0))
        if all(abs(x - other_x) > room or abs(y - other_y) > room for other_x, other_y in taken):
            taken.append((x, y))
            named.add(id(each))
    return named


def _marks(drawn: Figure, part: int, judged: Sequence[Judged], named: set[int]) -> None:
    points = [each.point for each in judged if each.point]
    more = {}
    if any(each.interval for each in judged):
        ranges = [(*(each.interval or ()), y) for each, (_, y) in zip(judged, points, strict=True)]
        spread = [{"low": min(ends), "high": max(ends)} for ends in ranges]
        more["error_y"] = error_bars([y for _, y in points], spread)
    drawn.marks(
        [x for x, _ in points],
        [y for _, y in points],
        "predicted",
        plain(f"part.{part}"),
        symbol=_SYMBOLS[part],
        size=10,
        hover="%{customdata}",
        customdata=[_hover(each) for each in judged],
        text=[each.question.id if id(each) in named else "" for each in judged],
        textposition="top center",
        **more,
    )


def _hover(judged: Judged) -> str:
    renderer = renderer_of(judged.question)
    prediction = judged.prediction
    said = shown(prediction, judged.outcome.answer, renderer)
    measured = shown(prediction, judged.outcome.measured, renderer)
    return plain("calibration.hover", question=judged.question.id, said=said, measured=measured)


def _table(judged: Sequence[Judged]) -> None:
    """A row for each part, and one for all where there are several."""
    parts = by_part(judged)
    rows = [_row(t(f"part.{part}"), counts) for part, counts in parts.items()]
    if len(rows) > 1:
        rows.append(_row(t("calibration.all"), calibrate(each.outcome for each in judged)))
    head = [t(f"calibration.head.{name}") for name in ("part", "right", "bias", "spread")]
    st.table(pandas.DataFrame(rows, columns=head), border="horizontal", hide_index=True)


def _row(name: str, counts: Calibration) -> tuple[str, ...]:
    right = t("calibration.of", right=counts.correct, made=counts.made) if counts.made else "–"
    spread = f"{number(float(f'{counts.spread:.2g}'))}×" if counts.spread is not None else "–"
    return name, right, _bias(counts.bias), spread


def _bias(bias: float | None) -> str:
    """In which direction the answers lie on the whole, as the factor of their geometric mean."""
    if bias is None:
        return "–"
    factor = number(float(f"{max(bias, 1 / bias):.2g}"))
    if max(bias, 1 / bias) < _RIGHT:
        return t("calibration.bias.none")
    return t("calibration.bias.high" if bias > 1 else "calibration.bias.low", factor=factor)
