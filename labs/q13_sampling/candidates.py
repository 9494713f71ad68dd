"""What the sampler's settings make of a few candidates: the numbers behind the bars, and the bars.

The model's next token and typed numbers are shown alike. No torch, so that a slider answers at once.

Shapes: V tokens in all, N candidates shown, in the order of the settings' own probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Words
from labs.contract.drawing import Figure, Role
from labs.q13_sampling.filters import Floats, Mask, entropy

DTYPES = ("float64", "float32", "float16")
"""What the filters compute in; rounding decides ties."""
SHOWN = 16
"""Bars that fit on a laptop below their sliders, labels readable."""


class Candidates(TypedDict):
    """N candidates, each with its text. Counts, masses and entropies speak of all V tokens."""

    texts: list[str]
    ids: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    """What is drawn from, [N]."""
    before: NDArray[np.float32]
    """The same before anything was cut off, [N]."""
    alone: NDArray[np.float32]
    """Without any setting, [N]."""
    kept: NDArray[np.int32]
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
    """The first candidates as bars, kept ones filled; a mark says what each has without any setting."""
    labels = labels[:SHOWN]
    kept = view["kept"][:SHOWN].astype(bool)
    before, final, alone = view["before"][:SHOWN], view["probabilities"][:SHOWN], view["alone"][:SHOWN]
    so_far, rows = before.cumsum(), np.arange(len(labels))
    figure = Figure(barmode="overlay")

    def side(role: Role, name: str, lengths: Floats, among: Mask) -> None:
        figure.bars(
            lengths[among],
            rows[among],
            role,
            text(name),
            horizontal=True,
            customdata=[[labels[row], percent(so_far[row])] for row in rows[among]],
            hover=f"%{{customdata[0]}}: %{{x:.2%}}<br>{text('cumulative')} %{{customdata[1]}}",
        )

    side("measured", "kept", final, kept)
    side("removed", "removed", before, ~kept)
    figure.marks(
        alone,
        rows,
        "peer",
        alone_name,
        symbol="line-ns-open",
        size=11,
        marker={"line": {"width": 2}},
        hover=f"{alone_name}: %{{x:.2%}}",
    )
    lengths = np.where(kept, final, before)
    ends = np.maximum(lengths, alone)
    figure.words(
        ends,
        rows,
        [f" {percent(length)}" for length in lengths],
        textposition="middle right",
        cliponaxis=False,
    )
    figure.x_axis(hidden=True, span=(0, float(ends.max()) * 1.22))
    figure.y_axis(ticks=dict(enumerate(labels)), span=(len(labels) - 0.5, -0.5), showgrid=False)
    return figure


def percent(probability: float) -> str:
    """Three significant digits at most, never a 0 that is not one."""
    return f"{probability:.1%}" if probability >= 0.0005 else f"{probability:.0e}"
