"""Counts to `seconds`, saying so every 20 ms."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass

import numpy as np

from labs.contract import Context, Experiment, Params, real, whole
from tests.labs.q00_specimens.shared import Anything, Soon


@dataclass(frozen=True)
class WaitParams(Params):
    """How long, and a number that only tells runs apart."""

    seconds: float = real(0.2, 0, 600, step=0.1)
    tag: int = whole(0, 0, 10**6)
    shown: int = whole(0, 0, 10, view=True)


class Wait(Soon, Experiment[WaitParams, Anything]):
    """Counts to `seconds`, saying so every 20 ms."""

    def measure(self, params: WaitParams, ctx: Context) -> Anything:
        end, step = time.monotonic() + params.seconds, 0
        while (left := end - time.monotonic()) > 0:
            ctx.progress(1 - left / max(params.seconds, 1e-9), "step", step=step)
            ctx.emit({"step": step})
            step += 1
            time.sleep(0.02)
        return {
            "tag": params.tag,
            "steps": np.arange(3, dtype=np.float32),
            "pid": os.getpid(),
            "nan": math.nan,
        }
