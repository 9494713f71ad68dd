"""Question 13: temperature and nucleus sampling, on the model's next token and on whole continuations."""

from __future__ import annotations

from labs.contract import DeviceClass, Experiment, constant
from labs.q13_sampling.params import ContinuationParams, NextTokenParams


def _continuation_seconds(params: ContinuationParams, device: DeviceClass) -> float:
    return params.max_new_tokens * (0.003 if device == "cuda" else 0.02)


EXPERIMENTS = (
    Experiment("q13/next_token", __name__, NextTokenParams, constant(cpu=0.2, cuda=0.05)),
    Experiment("q13/continuation", __name__, ContinuationParams, _continuation_seconds, keep=False),
)
