"""Waiting for what will happen: the limits only end a test that would wait for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

SOON = 120.0
"""Seconds. Much longer than anything takes here, also on a machine that does much else."""


def wait_for(condition: Callable[[], object], seconds: float = SOON) -> None:
    """Return once `condition()` is true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)
