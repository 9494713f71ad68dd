"""What the line has so far."""

from __future__ import annotations

from typing import Any


def line(params: Any, partials: Any) -> dict[str, Any]:
    """The points that were emitted."""
    return {
        "formula": [params.slope * x for x in range(params.points)],
        "measured": [one["y"] for one in partials],
    }
