"""Turns whatever ended a run into one sentence for a person, and says if the process is still usable.

Does not import torch: its errors are known by name and by text, as they come from many layers.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from minimind_core.errors import MiniMindError

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")
_DEVICE_ASSERT = ("device-side assert", "cuda error", "cublas_status", "cudnn_status", "accelerator error",
                  "an illegal memory access")
FRESH = "A fresh worker is starting."


@dataclass(frozen=True)
class Failure:
    """`code` is "input", "memory", "device", "crash", "limit" or "bug"; `fatal` asks for a fresh process."""

    sentence: str
    code: str
    fatal: bool = False


def explain(error: BaseException) -> Failure:
    """The failure behind an exception that left a measurement."""
    text = str(error).lower()
    if isinstance(error, MiniMindError):
        return Failure(str(error), "input")
    if isinstance(error, MemoryError) or any(words in text for words in _OUT_OF_MEMORY):
        return Failure(f"The device ran out of memory; choose a smaller setting. {FRESH}", "memory",
                       fatal=True)
    if any(words in text for words in _DEVICE_ASSERT):
        return Failure("A check on the GPU failed, after which its process can compute nothing more. "
                       f"{FRESH}", "device", fatal=True)
    first_line = (str(error).splitlines() or [""])[0]
    return Failure(f"The experiment stopped with an error: {type(error).__name__}: {first_line}"[:300], "bug")


def explain_exit(code: int | None) -> Failure:
    """The failure of a run whose worker process ended with this exit code (negative: a signal)."""
    if code is not None and -code == getattr(signal, "SIGKILL", None):
        return Failure("The worker was killed, most likely because the machine ran out of memory. "
                       f"{FRESH}", "crash", fatal=True)
    how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
    return Failure(f"The worker stopped unexpectedly, {how}. {FRESH}", "crash", fatal=True)
