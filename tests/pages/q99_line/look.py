"""One point that nothing needs to run for."""

from __future__ import annotations

from dataclasses import dataclass

from labs.contract import Context, DeviceClass, Experiment, Params, Shown, Words, real
from tests.pages.q99_line.line import LineResult, Zoom, drawn


@dataclass(frozen=True)
class LookParams(Params):
    """Nothing that needs a run."""

    zoom: float = real(1.0, 1, 4, step=1, view=True)


class Look(Experiment[LookParams, LineResult]):
    """One point, and a view of it."""

    drawn_by_formula = True

    def seconds(self, params: LookParams, device: DeviceClass) -> float:
        """Instant."""
        return 0.2

    def formula(self, params: LookParams) -> LineResult:
        """One point."""
        return {"formula": [1.0]}

    def measure(self, params: LookParams, ctx: Context) -> LineResult:
        """The same point."""
        return self.formula(params)

    def view(self, params: LookParams, result: LineResult) -> Zoom:
        """What the view field says."""
        return {"zoom": params.zoom}

    def show(self, result: LineResult, text: Words) -> Shown:
        """Figures alone."""
        return Shown(drawn(result))
