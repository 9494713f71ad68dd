"""A lab with every optional part, for the tests of the panel: a straight line, measured with an offset."""

from __future__ import annotations

from dataclasses import dataclass

from labs.contract import ParamError, Params, real, whole
from labs.contract.columns import Experiment, constant


@dataclass(frozen=True)
class LineParams(Params):
    """y = slope * x for a few x. `zoom` changes the view only."""

    slope: float = real(2.0, 0, 10, step=0.5, label="q99.slope", primary=True)
    points: int = whole(3, 1, 9, label="q99.points")
    zoom: float = real(1.0, 1, 4, step=1, label="q99.zoom", view=True)

    def check_together(self) -> None:
        """Raise ParamError for a steep line of many points."""
        if self.slope > 9 and self.points > 8:
            raise ParamError("together", "slope", "So steep a line has 8 points at most.")


@dataclass(frozen=True)
class LookParams(Params):
    """Nothing that needs a run."""

    zoom: float = real(1.0, 1, 4, step=1, label="q99.zoom", view=True)


EXPERIMENTS = (
    Experiment("q99/line", __name__, LineParams, constant(0.2, 0.1), keep=False, drawn_by_formula=True),
    Experiment("q99/bare", __name__, LineParams, constant(0.2, 0.1), keep=False),
    Experiment("q99/look", __name__, LookParams, constant(0.2, 0.1), drawn_by_formula=True),
)
