"""The same line by an experiment without optional parts."""

from __future__ import annotations

from labs.contract import Context, DeviceClass, Experiment, Shown, Words
from tests.pages.q99_line.line import LineParams, LineResult, drawn, measured_line


class Bare(Experiment[LineParams, LineResult]):
    """Without optional parts."""

    keep = False

    def seconds(self, params: LineParams, device: DeviceClass) -> float:
        """Instant."""
        return 0.2

    def measure(self, params: LineParams, ctx: Context) -> LineResult:
        """Emits each y as it comes."""
        return measured_line(params, ctx)

    def show(self, result: LineResult, text: Words) -> Shown:
        """Figures alone."""
        return Shown(drawn(result))
