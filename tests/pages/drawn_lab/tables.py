"""The line's exact numbers."""

from __future__ import annotations

from typing import Any


def line(result: dict[str, Any], text: Any) -> list[dict[str, Any]]:
    """A row a point."""
    return [{"x": x, text("q99.y"): y} for x, y in enumerate(result.get("measured", result["formula"]))]
