"""Experiments that misbehave on purpose, for the tests of the runner."""

from __future__ import annotations

from dataclasses import dataclass

from labs.contract.columns import Experiment, constant
from labs.contract import Params, real, whole


@dataclass(frozen=True)
class WaitParams(Params):
    """How long, and a number that only tells runs apart."""

    seconds: float = real(0.2, 0, 600, step=0.1, label="specimen.seconds")
    tag: int = whole(0, 0, 10**6, label="specimen.tag")
    shown: int = whole(0, 0, 10, label="specimen.shown", view=True)


@dataclass(frozen=True)
class NoParams(Params):
    """Nothing to choose."""


def _experiment(name: str, params: type[Params] = NoParams, *, keep: bool = False) -> Experiment:
    return Experiment(f"q00/{name}", "tests.labs.specimens", params, constant(0.2, 0.1), keep=keep)


EXPERIMENTS = (
    _experiment("wait", WaitParams),
    _experiment("kept", WaitParams, keep=True),
    _experiment("hang"),
    _experiment("hang_in_c"),
    _experiment("crash"),
    _experiment("out_of_memory"),
    _experiment("device_assert"),
    _experiment("hang_on_device"),
    _experiment("children"),
    _experiment("bug"),
    _experiment("noisy"),
    _experiment("whoami"),
)
