"""Question 7: rotary positions. How exactly they are relative, how far they reach, what stretches them."""

from __future__ import annotations

from labs.contract.columns import DeviceClass, Experiment, constant
from labs.q07_rope.params import (
    LIVE_REACH,
    POSITIONS,
    InvarianceParams,
    LengthsParams,
    SeedsParams,
    ShiftParams,
    SpectrumParams,
)
from labs.tools.seeds.plans import plan_of

_SLOWER = {"minimind-26m": 5.7}
"""Than the small models."""


def _invariance_seconds(params: InvarianceParams, device: DeviceClass) -> float:
    return (0.6 if params.vectors == "random" else 1.5) * (0.5 if device == "cuda" else 1)


def _shift_seconds(params: ShiftParams, device: DeviceClass) -> float:
    return 1.0 if device == "cuda" else 1 + 0.03 * params.tokens


def _lengths_seconds(params: LengthsParams, device: DeviceClass) -> float:
    small = params.model.startswith("nano")
    lines = 13 if params.others and small else 7
    if device == "cuda":
        return 1 + 0.06 * lines * params.documents_on(device)
    tokens = params.documents_on(device) * min(params.reach or LIVE_REACH, LIVE_REACH)
    return 1 + lines * tokens * 3.3e-4 * _SLOWER.get(params.model, 1.0)


def _seeds_seconds(params: SeedsParams, device: DeviceClass) -> float:
    plan = plan_of(params.size, device)
    return plan.seconds(params.seeds * len(POSITIONS), params.steps_on(device))


EXPERIMENTS = (
    Experiment("q07/invariance", __name__, InvarianceParams, _invariance_seconds, version=2),
    Experiment(
        "q07/spectrum",
        __name__,
        SpectrumParams,
        constant(cpu=0.1, cuda=0.1),
        version=2,
        drawn_by_formula=True,
    ),
    Experiment("q07/shift", __name__, ShiftParams, _shift_seconds, version=2),
    Experiment("q07/lengths", __name__, LengthsParams, _lengths_seconds, version=2),
    Experiment("q07/seeds", __name__, SeedsParams, _seeds_seconds),
)
