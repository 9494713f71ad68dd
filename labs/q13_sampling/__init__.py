"""Question 13: temperature and nucleus sampling, on the model's next token and on whole continuations.

Also on many texts at once, on numbers that a person types, and the codes that get sampling wrong.
"""

from __future__ import annotations

from labs.contract.columns import DeviceClass, Experiment, constant
from labs.q13_sampling import grids
from labs.q13_sampling.params import (
    BugsParams,
    ConfidenceParams,
    ContinuationParams,
    GridParams,
    ManualParams,
    NextTokenParams,
    WallParams,
)


def _continuation_seconds(params: ContinuationParams, device: DeviceClass) -> float:
    return params.max_new_tokens * (0.003 if device == "cuda" else 0.02)


def _wall_seconds(params: WallParams, device: DeviceClass) -> float:
    steps = params.max_new_tokens * (1 if device == "cuda" else -(-params.samples // 32))
    return 0.2 + steps * (0.02 if device == "cuda" else 0.02 + 0.003 * min(params.samples, 32))


EXPERIMENTS = (
    Experiment("q13/next_token", __name__, NextTokenParams, constant(cpu=0.2, cuda=0.05)),
    Experiment("q13/continuation", __name__, ContinuationParams, _continuation_seconds, keep=False),
    Experiment("q13/wall", __name__, WallParams, _wall_seconds),
    Experiment("q13/manual", __name__, ManualParams, constant(cpu=0.01, cuda=0.01), drawn_by_formula=True),
    Experiment("q13/grid", __name__, GridParams, grids.seconds),
    Experiment("q13/confidence", __name__, ConfidenceParams, constant(cpu=1, cuda=0.5)),
    Experiment("q13/bugs", __name__, BugsParams, constant(cpu=0.1, cuda=0.1)),
)
