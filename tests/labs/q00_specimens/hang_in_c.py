"""Hangs while holding the interpreter, so that no other thread of the process can act."""

from __future__ import annotations

import ctypes
import os

from labs.contract import Context, Experiment
from tests.labs.q00_specimens.shared import Anything, NoParams, Soon


class HangInC(Soon, Experiment[NoParams, Anything]):
    """Hangs while holding the interpreter, so that no other thread of the process can act."""

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        ctx.emit({"pid": os.getpid()})
        ctypes.PyDLL(None).sleep(600)
        return {}
