"""Question 7: rotary positions. How exactly they are relative, how far they reach, what stretches them."""

from __future__ import annotations

from labs.contract import DeviceClass, Experiment, constant
from labs.q07_rope.params import InvarianceParams, LengthsParams, ShiftParams, SpectrumParams

_TOKEN_SECONDS = {"nano-rope": 1.0, "nano-rope-1e4": 1.0, "byte-128": 0.8, "minimind-26m": 9.0}
"""Relative to the small models."""


def _invariance_seconds(params: InvarianceParams, device: DeviceClass) -> float:
    return (0.6 if params.vectors == "random" else 1.5) * (0.5 if device == "cuda" else 1)


def _shift_seconds(params: ShiftParams, device: DeviceClass) -> float:
    return 1.0 if device == "cuda" else 1 + 0.03 * params.tokens


def _lengths_seconds(params: LengthsParams, device: DeviceClass) -> float:
    small = params.model.startswith("nano")
    lines = 13 if params.others and small else 7
    if device == "cuda":
        return 1 + 0.06 * lines * (params.documents or 8)
    reach = min(params.reach or 2048, 2048)
    return 1 + lines * (params.documents or 2) * reach * 2.8e-4 * _TOKEN_SECONDS[params.model]


EXPERIMENTS = (
    Experiment("q07/invariance", __name__, InvarianceParams, _invariance_seconds),
    Experiment("q07/spectrum", __name__, SpectrumParams, constant(cpu=0.1, cuda=0.1), drawn_by_formula=True),
    Experiment("q07/shift", __name__, ShiftParams, _shift_seconds),
    Experiment("q07/lengths", __name__, LengthsParams, _lengths_seconds),
)
