"""What pinned runs of Question 6 are compared by."""

from __future__ import annotations

from labs.contract.columns import Result, Text


def seeds(result: Result, text: Text) -> dict[str, float]:
    """Mean held-out loss by kind."""
    return {text(f"q06.seeds.{kind}"): mean for kind, mean in result["judged"]["mean"].items()}
