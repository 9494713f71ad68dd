"""Masks that people give to fused attention when a cache makes the keys outnumber the queries.

The queries are the last tokens read; the cache may hold empty slots behind them. Everything is random and
small, on the CPU, since what the flags mean does not depend on size or device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, Experiment, Figure, ParamError, Params, Shown, Words, choice, table, whole
from labs.tools.written import small_number

MASKS = ("flag", "none", "lower_right", "explicit")
RIGHT = 1e-4
"""A difference below this is rounding."""


@dataclass(frozen=True)
class MasksParams(Params):
    """`mask` is the one whose cells are drawn."""

    queries: int = whole(6, 1, 16, primary=True)
    keys: int = whole(24, 1, 256, primary=True)
    empty: int = whole(0, 0, 64)
    mask: str = choice("flag", MASKS, primary=True, view=True)

    def check_together(self) -> None:
        """Raise ParamError where the queries would not fit among the tokens read."""
        if self.queries + self.empty > self.keys:
            raise ParamError(
                "together",
                "keys",
                f"{self.queries} queries and {self.empty} empty slots do not fit into {self.keys} keys; "
                "take more keys.",
                key="q08.keys",
                queries=self.queries,
                empty=self.empty,
                keys=self.keys,
            )


class Cells(TypedDict):
    """int32 [queries, keys]: 0 hidden and 1 seen as it should be, 2 seen wrongly, 3 hidden wrongly."""

    mask: str
    cells: NDArray[np.int32]


class MasksResult(TypedDict):
    """The largest difference from the truth by mask; and what became of a mask together with the flag."""

    queries: int
    keys: int
    difference: dict[str, float]
    first_value: float | None
    """For one query: the difference of is_causal=True from the first value vector."""
    both: dict[str, str]
    """By backend: the exception, or "triangle" where mask and flag were combined in silence."""
    empty: int
    view: NotRequired[Cells]


class Masks(Experiment[MasksParams, MasksResult]):
    """What each mask gives against attention written out."""

    takes = 2.5

    def measure(self, params: MasksParams, ctx: Context) -> MasksResult:
        """On the CPU whatever the device; the first run of a worker loads torch's compiler."""
        from labs.q08_speedup import causal_masks
        from labs.q08_speedup.aside import aside

        ctx.progress(0.0, "loading_torch")
        aside(causal_masks.load_bias, ctx.check_cancelled)
        ctx.progress(0.9, "comparing")
        q, k, v = causal_masks.heads(params.queries, params.keys)
        truth = causal_masks.written_out(
            q, k, v, causal_masks.last_rows(params.queries, params.keys, params.empty)
        )
        given = causal_masks.ways(params.queries, params.keys, params.empty)
        first = float((given["flag"] - v[..., :1, :]).abs().max()) if params.queries == 1 else None
        return {
            "queries": params.queries,
            "keys": params.keys,
            "empty": params.empty,
            "difference": {name: float((out - truth).abs().max()) for name, out in given.items()},
            "first_value": first,
            "both": causal_masks.mask_and_flag(),
        }

    def view(self, params: MasksParams, result: MasksResult) -> Cells:
        shape = result["queries"], result["keys"], result["empty"]
        seen, right = allowed(params.mask, *shape), allowed("explicit", *shape)
        cells = np.where(seen == right, right, np.where(seen, 2, 3)).astype(np.int32)
        return {"mask": params.mask, "cells": cells}

    def show(self, result: MasksResult, text: Words) -> Shown:
        """`difference`: of each mask; `cells`: who looks where with the chosen one."""
        names = [text(f"mask.{mask}") for mask in MASKS]
        differences = [result["difference"][mask] for mask in MASKS]
        figure = Figure()
        figure.bars(
            names,
            differences,
            "measured",
            labels=[small_number(difference) for difference in differences],
            hover="%{x}: %{y:.3g}",
        )
        figure.y_axis(text("axis.difference"), from_zero=True)
        notes = [text("masks.both", **result["both"])]
        if result["first_value"] is not None:
            notes.insert(0, text("masks.first", difference=small_number(result["first_value"])))
        return Shown(
            {"difference": figure, "cells": _cells(result["view"], text)},
            rows=table(
                {
                    text("mask"): names,
                    text("axis.difference"): map(small_number, differences),
                    text("right"): [text("yes" if each < RIGHT else "no") for each in differences],
                }
            ),
            notes=notes,
            numbers={
                f"{name}: {text('axis.difference')}": d for name, d in zip(names, differences, strict=True)
            },
        )


def allowed(mask: str, queries: int, keys: int, empty: int) -> NDArray[np.bool_]:
    """bool [queries, keys]: who looks where with a mask.

    >>> allowed("flag", 1, 3, 0).tolist(), allowed("lower_right", 1, 3, 0).tolist()
    ([[True, False, False]], [[True, True, True]])
    """
    everything = np.ones((queries, keys), dtype=bool)
    diagonal = {"flag": 0, "none": keys, "lower_right": keys - queries, "explicit": keys - empty - queries}
    return np.tril(everything, diagonal[mask])


def _cells(view: Cells, text: Words) -> Figure:
    """One square for each query and key, by what the mask makes of it."""
    figure, cells = Figure(), view["cells"]
    for kind, (role, symbol) in enumerate(
        (("removed", "square-open"), ("formula", "square"), ("said", "x"), ("said", "square-open"))
    ):
        query, key = np.nonzero(cells == kind)
        if len(query):
            figure.marks(
                key + 1,
                query + 1,
                role,  # type: ignore[arg-type]
                text(f"cell.{kind}"),
                symbol=symbol,
                size=7 if cells.shape[1] > 48 else 10,
                hover=f"%{{y}} → %{{x}}: {text(f'cell.{kind}')}",
            )
    figure.x_axis(text("key"), showgrid=False)
    figure.y_axis(text("query"), reverse=True, showgrid=False, dtick=1 if len(cells) < 9 else 4)
    return figure
