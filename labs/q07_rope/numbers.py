"""What pinned runs of Question 7 are compared by."""

from __future__ import annotations

from labs.contract.columns import Result, Text
from labs.q07_rope.params import ANGLES, ARITHMETICS


def invariance(result: Result, text: Text) -> dict[str, float]:
    """The error at the chosen start, by arithmetic."""
    place = result["view"]["place"]
    return {text(f"q07.{name}"): float(result["error"][name][place]) for name in ARITHMETICS}


def spectrum(result: Result, text: Text) -> dict[str, float]:
    """Pairs with a full turn, and where YaRN's borders lie."""
    return {text("q07.turned"): result["full_turns"], text("q07.unfinished"): result["unfinished"]}


def shift(result: Result, text: Text) -> dict[str, float]:
    """The largest change at the furthest shift, by type of angle."""
    furthest = str(result["offsets"][-1])
    return {text(f"q07.angles.{name}"): result["difference"][name][furthest] for name in ANGLES}


def lengths(result: Result, text: Text) -> dict[str, float]:
    """Perplexity at the longest length, by line."""
    longest = str(result["lengths"][-1])
    return {
        text(f"q07.row.{name}"): values[longest]
        for name, values in result["perplexity"].items()
        if longest in values
    }


def seeds(result: Result, text: Text) -> dict[str, float]:
    """Mean loss at the trained length, by kind."""
    return {text(f"q07.row.{name}"): mean for name, mean in result["judged"]["mean"].items()}
