"""A watch over the loss: tells a spike from noise, sees NaN, and is silent for a while after an alarm.

Robust: the middle of the last losses and their median deviation stand for mean and standard deviation, so
that neither a spike nor a NaN moves the measure it is judged by. No torch.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from typing import Literal

Alarm = Literal["nonfinite", "spike"]
TO_STANDARD_DEVIATION = 1.4826
"""Of normal noise: its standard deviation over its median absolute deviation."""
LEAST_NOISE = 1e-3
"""Noise is taken for at least this share of the loss, so that a flat line is no reason for an alarm."""


class LossMonitor:
    """Hears one loss a step.

    window: losses that are compared with; nothing is a spike before a fifth of them is there.
    threshold: deviations above the median from which a loss is a spike.
    silence: steps after an alarm in which a spike raises no other one. A loss that is not finite always does.
    """

    def __init__(self, window: int = 100, threshold: float = 8.0, silence: int = 50) -> None:
        self.window, self.threshold, self.silence = window, threshold, silence
        self._losses: deque[float] = deque(maxlen=window)
        self._quiet = 0

    def hear(self, loss: float) -> Alarm | None:
        """What is wrong with this loss, if anything."""
        self._quiet = max(self._quiet - 1, 0)
        if not math.isfinite(loss):  # first of all: every comparison with NaN is false
            return "nonfinite"
        height = self.height(loss)
        self._losses.append(loss)
        if height <= self.threshold or self._quiet:
            return None
        self._quiet = self.silence
        return "spike"

    def height(self, loss: float) -> float:
        """How many deviations a loss stands above the median of the last ones; 0 while these are too few."""
        if len(self._losses) < self.window / 5:
            return 0.0
        middle = statistics.median(self._losses)
        spread = statistics.median(abs(one - middle) for one in self._losses)
        return (loss - middle) / max(spread * TO_STANDARD_DEVIATION, LEAST_NOISE * abs(middle), 1e-12)

    def forget(self) -> None:
        """Begin anew, as after going back to an earlier state."""
        self._losses.clear()
        self._quiet = 0
