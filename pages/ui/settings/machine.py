"""What this machine can do: the numbers that the formulas of the questions are filled with."""

from __future__ import annotations

from pages.ui import experiments
from pages.ui.lab import bench

CARD = "machine/card"


def section() -> None:
    """Draw the card, measured here where somebody had it measured."""
    bench.panel(experiments.experiment(CARD))
