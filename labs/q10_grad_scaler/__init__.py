"""Question 10: mixed precision. Which gradients FP16 loses, and what a loss scale gives back."""

from __future__ import annotations

from labs.contract import DeviceClass, Experiment
from labs.q10_grad_scaler.params import WindowParams


def _window_seconds(params: WindowParams, device: DeviceClass) -> float:
    passes = 41 / (params.every or (1 if device == "cuda" else 4))
    return 0.5 + passes * 0.03 if device == "cuda" else 2 + passes * 0.4


EXPERIMENTS = (
    Experiment("q10/window", __name__, WindowParams, _window_seconds),
)
