"""The persistent kernel built for one core of a CPU by the C++ compiler, on top of `one_core.h`."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from minimind_core.decoding.persistent_step import Launch, Plan

MACHINE = Path(__file__).with_name("one_core.h")
COMPILER = shutil.which("g++")
FLAGS = ["-O1", "-std=c++17", "-fPIC", "-shared", "-fno-strict-aliasing", "-w"]
"""Weights are looked at as other types, as CUDA allows; its pragmas are unknown here."""
ENTRY = """
extern "C" bool launch_decode(void** at, int capacity, int known, int steps, int first_step) {
    return launch(BLOCKS, THREADS, SHARED_BYTES, [=] {
        decode((Element*)at[0], (Element*)at[1], (float*)at[2], (Word*)at[3], (long long*)at[4],
               (long long*)at[5], (long long*)at[6], (long long*)at[7], (float*)at[8], (Exchange*)at[9],
               capacity, known, steps, first_step);
    });
}
"""


def build(plan: Plan, rotary_factor: float, folder: Path) -> Launch:
    """The kernel for this plan, as `persistent_step.compiled` gives it on a GPU."""
    assert COMPILER, "checked before"
    source, library = folder / "kernel.cpp", folder / "kernel.so"
    source.write_text(plan.source(rotary_factor, MACHINE) + ENTRY, "utf-8")
    subprocess.run([COMPILER, *FLAGS, str(source), "-o", str(library)], check=True, timeout=300)
    entry = ctypes.CDLL(str(library)).launch_decode
    entry.restype = ctypes.c_bool

    def launch(arguments: Sequence[Tensor | int]) -> None:
        tensors = [argument for argument in arguments if isinstance(argument, Tensor)]
        assert all(tensor.is_contiguous() for tensor in tensors)
        addresses = (ctypes.c_void_p * len(tensors))(*[tensor.data_ptr() for tensor in tensors])
        finished = entry(addresses, *[argument for argument in arguments if isinstance(argument, int)])
        assert finished, "a thread waits for what never comes"

    return launch
