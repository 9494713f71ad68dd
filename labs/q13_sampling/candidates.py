"""What the sampler's settings make of a few candidates: the numbers behind the bars, and the bars.

The model's next token and typed numbers are shown alike. No torch, so that a slider answers at once.

Shapes: V tokens in all, N candidates shown, in the order of the settings' own probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Figure, Ints, Role, Row, Words
from labs.q13_sampling.filters import Floats, Mask, entropy

DTYPES = ("float64", "float32", "float16")
"""What the filters compute in; rounding decides ties."""
SHOWN = 16
"""Bars that fit on a laptop below their sliders, labels readable."""
END = 1.3
"""Of the axis of probabilities, with room for a column of numbers."""
LABELS_INSIDE = 0.8
"""Longer bars have their value inside."""
MOST_ROWS = 64
"""Of the table."""
BAR, FRAME = 21, 92
"""Pixels of a bar, and of all that stands around them."""
GREY = "#8b8781"


class Candidates(TypedDict):
    """N candidates, each with its text. Counts, masses and entropies speak of all V tokens."""

    texts: list[str]
    ids: Ints
    probabilities: NDArray[np.float32]
    """What is drawn from, [N]."""
    before: NDArray[np.float32]
    """The same before anything was cut off, [N]."""
    alone: NDArray[np.float32]
    """Without any setting, [N]."""
    kept: Ints
    """1 or 0, [N]."""
    kept_count: int
    top_probability: float
    removed_mass: float
    entropy: float
    """In nats."""
    effective_size: float
    """exp(entropy): the number of equally likely tokens that would be as uncertain."""


def candidates(
    ids: Any, texts: list[str], *, alone: Floats, before: Floats, kept: Mask, final: Floats
) -> Candidates:
    """The candidates of these ids [N]; the other arrays [V] go over all tokens."""
    spread = float(entropy(final))
    return {
        "texts": texts,
        "ids": ids,
        "probabilities": final[ids].astype(np.float32),
        "before": before[ids].astype(np.float32),
        "alone": alone[ids].astype(np.float32),
        "kept": kept[ids].astype(np.int32),
        "kept_count": int(kept.sum()),
        "top_probability": float(final.max()),
        "removed_mass": float(before[~kept].sum()),
        "entropy": spread,
        "effective_size": float(np.exp(spread)),
    }


def bars(view: Candidates, labels: Sequence[str], alone_name: str, text: Words) -> Figure:
    """The first candidates as bars on an axis that never moves, each before what it has without any setting.

    A bar has its value at its end; the column on the right says what it is without any setting.
    """
    labels, places = labels[:SHOWN], np.arange(len(labels[:SHOWN]))
    kept = view["kept"][:SHOWN].astype(bool)
    before, final, alone = view["before"][:SHOWN], view["probabilities"][:SHOWN], view["alone"][:SHOWN]
    so_far, lengths = before.cumsum(), np.where(kept, final, before)
    figure = Figure(height=FRAME + BAR * len(labels), barmode="overlay")
    hover = f"{alone_name}: %{{x:.2%}}"
    figure.bars(alone, places, "peer", alone_name, horizontal=True, width=0.95, opacity=0.35, hover=hover)
    drawn: tuple[tuple[Role, str, Mask], ...] = (("measured", "kept", kept), ("removed", "removed", ~kept))
    for role, name, among in drawn:
        figure.bars(
            lengths[among],
            places[among],
            role,
            text(name),
            horizontal=True,
            width=0.6,
            customdata=[[labels[place], percent(so_far[place])] for place in places[among]],
            hover=f"%{{customdata[0]}}: %{{x:.2%}}<br>{text('cumulative')} %{{customdata[1]}}",
        )
    sides = ["middle left" if length > LABELS_INSIDE else "middle right" for length in lengths]
    figure.words(lengths, places, [f" {percent(length)} " for length in lengths], textposition=sides)
    column = [alone_name, *map(percent, alone)]
    grey = {"textposition": "middle left", "textfont": {"color": GREY}}
    figure.words([END] * len(column), [-1, *places], column, **grey)
    figure.x_axis(text("axis.probability"), span=(0, END), tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%")
    figure.y_axis(ticks=dict(enumerate(labels)), span=(len(labels) - 0.5, -1.5), showgrid=False)
    return figure


def rows(view: Candidates, labels: Sequence[str], alone_name: str, text: Words) -> list[Row]:
    """The first candidates and their exact probabilities."""
    columns = {
        alone_name: view["alone"],
        text("before"): view["before"],
        text("final"): view["probabilities"],
    }
    return [
        {text("number"): label, **{name: f"{values[row]:.5f}" for name, values in columns.items()}}
        for row, label in enumerate(labels[:MOST_ROWS])
    ]


def percent(probability: float) -> str:
    """One decimal; what is too small for it is said to be small, and only 0 is 0.

    >>> percent(0.1234), percent(2e-9), percent(0)
    ('12.3%', '<0.1%', '0.0%')
    """
    return "<0.1%" if 0 < probability < 0.0005 else f"{probability:.1%}"
