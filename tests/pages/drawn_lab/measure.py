"""The measurement: the formula and a little more, point by point."""

from __future__ import annotations

from typing import Any

OFFSET = 0.25


def line(params: Any, ctx: Any) -> dict[str, Any]:
    """Emits each y as it comes."""
    measured = []
    for x in range(params.points):
        measured.append(params.slope * x + OFFSET)
        ctx.emit({"y": measured[-1]})
    formula = [params.slope * x for x in range(params.points)]
    return {
        "formula": formula,
        "measured": measured,
        "sentence": {"said": 4.0, "formula": formula[-1], "measured": measured[-1], "unit": "×"},
    }


def bare(params: Any, ctx: Any) -> dict[str, Any]:
    """Without any optional part."""
    return line(params, ctx)


def look(params: Any, ctx: Any) -> dict[str, Any]:
    """Nothing."""
    return {}
