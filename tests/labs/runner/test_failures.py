"""Every end of a run becomes one sentence and says whether the process can go on."""

from __future__ import annotations

import signal

import pytest

from labs.runner.failures import explain, explain_exit
from minimind_core.errors import CheckpointError


@pytest.mark.parametrize(
    ("error", "key", "fatal"),
    [
        (CheckpointError("There is no checkpoint.", key="checkpoint.missing"), "checkpoint.missing", False),
        (MemoryError(), "failure.memory", True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."), "failure.memory", True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "failure.memory", True),
        (RuntimeError("CUDA error: device-side assert triggered\nUSE_CUDA_DSA"), "failure.device", True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"), "failure.device", True),
        (KeyError("x"), "failure.bug", False),
        (RuntimeError("line one\nline two"), "failure.bug", False),
    ],
)
def test_exceptions(error: Exception, key: str, fatal: bool) -> None:
    failure = explain(error)
    assert (failure.sentence.key, failure.fatal) == (key, fatal)
    assert "\n" not in failure.sentence and failure.sentence


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-signal.SIGKILL, "was killed"),
        (-signal.SIGSEGV, "by signal 11"),
        (3, "with exit code 3"),
        (None, "cluster lost the worker"),
    ],
)
def test_exit_codes(code: int | None, words: str) -> None:
    assert words in explain_exit(code)
