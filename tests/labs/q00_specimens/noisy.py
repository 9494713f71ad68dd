"""Prints more than a pipe holds."""

from __future__ import annotations

from labs.contract import Context, Experiment
from tests.labs.q00_specimens.shared import Anything, NoParams, Soon


class Noisy(Soon, Experiment[NoParams, Anything]):
    """Prints more than a pipe holds."""

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        print("x" * 200_000)
        return {"printed": True}
