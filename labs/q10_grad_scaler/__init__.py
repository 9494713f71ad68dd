"""Question 10: mixed precision. Which gradients FP16 loses, and what a loss scale gives back."""

from __future__ import annotations

from labs.contract.columns import DeviceClass, Experiment
from labs.q10_grad_scaler.params import (
    DuelParams,
    MemoryParams,
    OrdersParams,
    ScalerParams,
    SpeedParams,
    WindowParams,
)


def _window_seconds(params: WindowParams, device: DeviceClass) -> float:
    passes = 41 / (params.every or (1 if device == "cuda" else 4))
    return 0.5 + passes * 0.03 if device == "cuda" else 2 + passes * 0.4


def _scaler_seconds(params: ScalerParams, _device: DeviceClass) -> float:
    return 0.3 + params.steps * 3e-4


def _orders_seconds(params: OrdersParams, device: DeviceClass) -> float:
    return 1 if device == "cuda" else 1 + params.accumulation * 0.6


def _duel_seconds(params: DuelParams, device: DeviceClass) -> float:
    return 3 + params.steps * 0.12 if device == "cuda" else 2 + params.steps * 0.11


def _memory_seconds(params: MemoryParams, device: DeviceClass) -> float:
    if device == "cuda":
        return 3 + params.batch * params.length / 16384
    return 5 + min(params.batch * params.length, 1024) / 200


def _speed_seconds(params: SpeedParams, device: DeviceClass) -> float:
    return 5 + params.large_batch * 0.1 if device == "cuda" else 18 + params.large_batch * 7


EXPERIMENTS = (
    Experiment("q10/window", __name__, WindowParams, _window_seconds),
    Experiment("q10/scaler", __name__, ScalerParams, _scaler_seconds, drawn_by_formula=True),
    Experiment("q10/orders", __name__, OrdersParams, _orders_seconds),
    Experiment("q10/duel", __name__, DuelParams, _duel_seconds, keep=False),
    Experiment("q10/memory", __name__, MemoryParams, _memory_seconds),
    Experiment("q10/speed", __name__, SpeedParams, _speed_seconds),
)
