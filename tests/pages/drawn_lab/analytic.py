"""The formula's side of the line."""

from __future__ import annotations

from typing import Any


def line(params: Any) -> dict[str, Any]:
    """y without the offset."""
    return {"formula": [params.slope * x for x in range(params.points)]}


def look(params: Any) -> dict[str, Any]:
    """One point."""
    return {"formula": [1.0]}
