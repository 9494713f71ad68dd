"""Every end of a run becomes one sentence and says whether the process can go on."""

from __future__ import annotations

import signal

import pytest

from labs.runner.failures import explain, explain_exit
from minimind_core.errors import CheckpointError


@pytest.mark.parametrize(
    ("error", "code", "fatal"),
    [
        (CheckpointError("There is no checkpoint."), "input", False),
        (MemoryError(), "memory", True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."), "memory", True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "memory", True),
        (RuntimeError("CUDA error: device-side assert triggered\nTORCH_USE_CUDA_DSA"), "device", True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"), "device", True),
        (KeyError("x"), "bug", False),
        (RuntimeError("line one\nline two"), "bug", False),
    ],
)
def test_exceptions(error: Exception, code: str, fatal: bool) -> None:
    failure = explain(error)
    assert (failure.code, failure.fatal) == (code, fatal)
    assert "\n" not in failure.sentence and failure.sentence


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-signal.SIGKILL, "was killed"),
        (-signal.SIGSEGV, "by signal 11"),
        (3, "with exit code 3"),
        (None, "stopped unexpectedly"),
    ],
)
def test_exit_codes(code: int | None, words: str) -> None:
    assert words in explain_exit(code).sentence
