"""What the zoom does."""

from __future__ import annotations

from typing import Any


def line(params: Any, result: dict[str, Any]) -> dict[str, Any]:
    """How much is shown."""
    return {"zoom": params.zoom}


look = line
