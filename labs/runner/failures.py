"""Turns whatever ended a run into one sentence for a person, and says if the process is still usable.

Does not import torch: its errors come from many layers and are recognised by their text.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from labs.runner.schedule import SILENCE_SECONDS
from minimind_core.errors import MiniMindError, Sentence, is_out_of_memory

_DEVICE_ASSERT = (
    "device-side assert",
    "cuda error",
    "cublas_status",
    "cudnn_status",
    "accelerator error",
    "an illegal memory access",
)
FRESH = "A fresh worker is starting."


@dataclass(frozen=True)
class Failure:
    """What to tell a person. After a `fatal` one the process is of no more use."""

    sentence: Sentence
    fatal: bool = False


def explain(error: BaseException) -> Failure:
    """The failure behind an exception that left a measurement."""
    text = str(error).lower()
    if isinstance(error, MiniMindError):
        return Failure(error.sentence)
    if is_out_of_memory(error):
        return _fatal(f"The device ran out of memory; choose a smaller setting. {FRESH}", "failure.memory")
    if any(words in text for words in _DEVICE_ASSERT):
        return _fatal(
            f"A check on the GPU failed, after which its process can compute nothing more. {FRESH}",
            "failure.device",
        )
    what = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"[:260]
    return Failure(Sentence(f"The experiment stopped with an error: {what}", "failure.bug", {"what": what}))


def explain_exit(code: int | None) -> Sentence:
    """Why a run ended whose worker process ended with this exit code (negative: a signal; None: unknown)."""
    if code is None:
        return Sentence(f"The cluster lost the worker; run it again. {FRESH}", "failure.lost")
    if -code == getattr(signal, "SIGKILL", None):
        return Sentence(
            f"The worker was killed, most likely because the machine ran out of memory. {FRESH}",
            "failure.killed",
        )
    if code < 0:
        return Sentence(
            f"The worker stopped unexpectedly, by signal {-code}. {FRESH}",
            "failure.signal",
            {"number": -code},
        )
    return Sentence(
        f"The worker stopped unexpectedly, with exit code {code}. {FRESH}", "failure.exit", {"number": code}
    )


def explain_stop(reason: str, limit: float) -> Sentence:
    """Why a run was stopped that somebody still waited for: "silence", or the `limit` in seconds was over."""
    if reason == "silence":
        return Sentence(
            f"The experiment gave no sign of life for {SILENCE_SECONDS:g} s and was stopped. {FRESH}",
            "failure.silence",
            {"seconds": SILENCE_SECONDS},
        )
    if reason == "unanswered":
        return Sentence(
            f"The worker did not answer and was stopped; run it again. {FRESH}", "failure.unanswered"
        )
    if reason == "busy":
        return Sentence(
            f"Another program of this app has measured here for {limit:g} s, and others are waiting too; "
            "run it again when that program has ended.",
            "failure.busy",
            {"seconds": limit},
        )
    return Sentence(
        f"Stopped after {limit:g} s because others were waiting; choose a smaller setting, or "
        "come back when nobody waits.",
        "failure.limit",
        {"seconds": limit},
    )


def cannot_start(error: Exception) -> Sentence:
    """Why there will be no worker."""
    text = f"The worker cannot start: {error}"
    if isinstance(error, MiniMindError):
        return Sentence(text, error.key, error.values)
    return Sentence(text, "worker.cannot_start", {"reason": str(error)})


def _fatal(text: str, key: str) -> Failure:
    return Failure(Sentence(text, key), fatal=True)
