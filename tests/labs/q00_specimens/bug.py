"""A programmer's mistake."""

from __future__ import annotations

from labs.contract import Context, Experiment
from tests.labs.q00_specimens.shared import Anything, NoParams, Soon


class Bug(Soon, Experiment[NoParams, Anything]):
    """A programmer's mistake."""

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        raise KeyError("missing")
