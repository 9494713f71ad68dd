"""What two lines are compared by."""

from __future__ import annotations

from typing import Any


def line(result: dict[str, Any], text: Any) -> dict[str, float]:
    """The last point."""
    return {text("q99.last"): result["measured"][-1]}
