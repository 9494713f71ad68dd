"""The measurements of the specimens."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np


def wait(params: Any, ctx: Any) -> dict[str, Any]:
    """Count to `seconds`, saying so every 20 ms."""
    end, step = time.monotonic() + params.seconds, 0
    while (left := end - time.monotonic()) > 0:
        ctx.progress(1 - left / max(params.seconds, 1e-9), f"step {step}")
        ctx.emit({"step": step})
        step += 1
        time.sleep(0.02)
    return {"tag": params.tag, "steps": np.arange(3, dtype=np.float32), "pid": os.getpid(), "nan": math.nan}


kept = wait


def hang(params: Any, ctx: Any) -> dict[str, Any]:
    """Never look whether anybody still waits."""
    ctx.emit({"pid": os.getpid()})
    while True:
        time.sleep(0.05)


def hang_in_c(params: Any, ctx: Any) -> dict[str, Any]:
    """Hang while holding the interpreter, so that no other thread of the process can act."""
    ctx.emit({"pid": os.getpid()})
    ctypes.PyDLL(None).sleep(600)
    return {}


def crash(params: Any, ctx: Any) -> dict[str, Any]:
    """Die as a segmentation fault does."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def out_of_memory(params: Any, ctx: Any) -> dict[str, Any]:
    """Ask torch for more memory than there is."""
    import torch

    return {"sum": float(torch.ones(1 << 50, device=ctx.device).sum())}


def device_assert(params: Any, ctx: Any) -> dict[str, Any]:
    """Read beside a table on a GPU."""
    import torch

    table = torch.zeros(4, device=ctx.device)
    return {"value": table[torch.tensor([99], device=ctx.device)].cpu().numpy()}


def hang_on_device(params: Any, ctx: Any) -> dict[str, Any]:
    """Queue minutes of work on a GPU and wait for it."""
    import torch

    square = torch.randn(16384, 16384, device=ctx.device)
    ctx.emit({"pid": os.getpid()})
    for _ in range(4000):
        square = torch.nn.functional.normalize(square @ square)
    torch.cuda.synchronize()
    return {}


def children(params: Any, ctx: Any) -> dict[str, Any]:
    """Start a process of its own, as a two-process lab does, and wait for it."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    ctx.emit({"pid": child.pid})
    child.wait()
    return {}


def bug(params: Any, ctx: Any) -> dict[str, Any]:
    """A programmer's mistake."""
    raise KeyError("missing")


def noisy(params: Any, ctx: Any) -> dict[str, Any]:
    """Print more than a pipe holds."""
    print("x" * 200_000)
    return {"printed": True}


def whoami(params: Any, ctx: Any) -> dict[str, Any]:
    """Tell about the process."""
    import torch

    return {"pid": os.getpid(), "nice": os.nice(0), "threads": torch.get_num_threads(), "device": ctx.device}
