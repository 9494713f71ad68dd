"""The drawing with its blank boxes, and the weights as areas. No torch, no plotly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from labs.contract import Row, Words
from labs.contract.drawing import Area, Figure, Role
from labs.q05_shapes.outline import STEPS, USUALLY_MISSING, Matrix, Typed, total

GROUPS = {
    "feed_forward": ("gate_proj", "up_proj", "down_proj"),
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "embedding": ("embed_tokens", "lm_head"),
    "norms": ("norm",),
}
_WIDEST = 10**6
"""Numbers a token that the axis of the boxes reaches to, which leaves room for the shapes."""


def steps(
    shapes: Mapping[str, list[int]], typed: Mapping[str, Typed], reveal: bool, role: Role, text: Words
) -> Figure:
    """A bar for each box, as long as a token's numbers in it; blank until it is filled in or revealed.

    What was filled in has the colour of a prediction until it is revealed, and keeps it if it is wrong.
    """
    figure = Figure(height=440, barmode="overlay")
    names = [f"{place} {text(f'step.{step}')}" for place, step in enumerate(STEPS, 1)]
    tokens = shapes["embedding"][0] * shapes["embedding"][1]
    sides: dict[Role, list[tuple[str, list[int], str]]] = {role: [], "predicted": []}
    blank = []
    for step, name in zip(STEPS, names, strict=True):
        own = typed.get(step)
        if own is not None and not (reveal and own["right"]):
            sides["predicted"].append((name, own["shape"], f"{own['shape']}{' ✗' if reveal else ''}"))
        elif reveal:
            sides[role].append((name, shapes[step], f"{shapes[step]}{' ✓' if own else ''}"))
        else:
            blank.append(name)
    figure.words([1.0] * len(blank), blank, [" ?"] * len(blank), textposition="middle right")
    for side, boxes in sides.items():
        widths = [min(max(math.prod(shape) / tokens, 1), _WIDEST) for _, shape, _ in boxes]
        figure.bars(
            widths,
            [name for name, _, _ in boxes],
            side,
            labels=[label for _, _, label in boxes],
            horizontal=True,
            hover="%{y}: %{x:,.0f}",
            showlegend=False,
        )
    figure.x_axis(
        text("axis.width"),
        log=True,
        span=(0, math.log10(_WIDEST)),
        ticks={10**n: f"{10**n:,}" for n in range(5)},
    )
    figure.y_axis(
        category=True, categoryorder="array", categoryarray=names[::-1], span=(-0.6, len(names) - 0.4)
    )
    return figure


def parts(kinds: Sequence[Matrix], role: Role, text: Words) -> Figure:
    """An area for the weights of every kind of matrix; what most drawings leave out is hatched."""
    figure, everything = Figure(height=380), total(list(kinds))

    def area(name: str, label: str, parent: str, weights: int) -> Area:
        share = 100 * weights / everything
        written = f"{share:.1f}%" if share >= 0.1 else f"{share:.2f}%"
        return {"id": name, "label": label, "parent": parent, "value": weights, "text": written}

    areas: list[Area] = []
    for group, names in GROUPS.items():
        members = [kind for kind in kinds if kind["name"] in names]
        areas.append(area(group, text(f"part.{group}"), "", total(members)))
        for kind in members if len(members) > 1 else ():
            one = area(kind["name"], kind["name"].removesuffix("_proj"), group, kind["weights"])
            areas.append({**one, "role": "removed"} if kind["name"] == USUALLY_MISSING else one)
    figure.areas(areas, role, hover="%{id}: %{value:,} (%{text})")
    return figure


def ledger_rows(kinds: Sequence[Matrix], text: Words) -> list[Row]:
    """The weights of every kind, and all."""
    everything = total(list(kinds))
    rows: list[Row] = [
        {
            text("matrix"): kind["name"],
            text("shape"): " × ".join(map(str, kind["shape"])),
            text("copies"): kind["copies"],
            text("weights"): kind["weights"],
            text("share"): 100 * kind["weights"] / everything,
        }
        for kind in kinds
    ]
    sums: Row = {
        text("matrix"): text("all"),
        text("shape"): "",
        text("copies"): sum(kind["copies"] for kind in kinds),
        text("weights"): everything,
        text("share"): 100.0,
    }
    return [*rows, sums]
