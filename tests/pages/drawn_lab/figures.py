"""The line, drawn."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go


def line(result: dict[str, Any], text: Any) -> dict[str, Any]:
    """`line`: formula and measurement; `zoom`: the view field."""
    figure = go.Figure()
    for role in ("formula", "measured"):
        if role in result:
            figure.add_scatter(y=result[role], name=role, meta={"role": role})
    return {"line": figure, "zoom": go.Figure(go.Bar(y=[result.get("view", {"zoom": 0})["zoom"]]))}


bare = look = line
