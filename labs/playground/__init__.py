"""The playground: a text written on token by token, each with its probability and what stood beside it.

Belongs to no question, so nothing here is claimed, verified or recorded. A text cannot be asked for by
hand-picked ids, only by a prompt, which is what the command line takes too.
"""

from __future__ import annotations

from labs.contract.columns import DeviceClass, Experiment
from labs.playground.params import ContinuationParams


def _seconds(params: ContinuationParams, device: DeviceClass) -> float:
    return 0.1 + params.max_new_tokens * (0.003 if device == "cuda" else 0.015)


EXPERIMENTS = (Experiment("playground/continuation", __name__, ContinuationParams, _seconds, keep=False),)
