"""Runs that hang, crash, ask for too much, or tell about the process that they are in."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from labs.contract import Context, DeviceClass, Experiment, Params, real, whole

Anything = dict[str, Any]


@dataclass(frozen=True)
class WaitParams(Params):
    """How long, and a number that only tells runs apart."""

    seconds: float = real(0.2, 0, 600, step=0.1)
    tag: int = whole(0, 0, 10**6)
    shown: int = whole(0, 0, 10, view=True)


@dataclass(frozen=True)
class NoParams(Params):
    """Nothing to choose."""


class Soon:
    """Estimates a fifth of a second, whatever becomes of the run, which is not kept."""

    keep: ClassVar[bool] = False

    def seconds(self, params: Params, device: DeviceClass) -> float:
        return 0.1 if device == "cuda" else 0.2


class Wait(Soon, Experiment[WaitParams, Anything]):
    """Counts to `seconds`, saying so every 20 ms."""

    id = "q00/wait"

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


class Kept(Wait):
    """The same; its result is kept."""

    id = "q00/kept"
    keep = True


class Hang(Soon, Experiment[NoParams, Anything]):
    """Never looks whether anybody still waits."""

    id = "q00/hang"

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        ctx.emit({"pid": os.getpid()})
        while True:
            time.sleep(0.05)


class HangInC(Soon, Experiment[NoParams, Anything]):
    """Hangs while holding the interpreter, so that no other thread of the process can act."""

    id = "q00/hang_in_c"

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        ctx.emit({"pid": os.getpid()})
        ctypes.PyDLL(None).sleep(600)
        return {}


class Crash(Soon, Experiment[NoParams, Anything]):
    """Dies as a segmentation fault does."""

    id = "q00/crash"

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        os.kill(os.getpid(), signal.SIGSEGV)
        return {}


class OutOfMemory(Soon, Experiment[NoParams, Anything]):
    """Asks torch for more memory than there is."""

    id = "q00/out_of_memory"

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        import torch

        return {"sum": float(torch.ones(1 << 50, device=ctx.device).sum())}


class DeviceAssert(Soon, Experiment[NoParams, Anything]):
    """Reads beside a table on a GPU."""

    id = "q00/device_assert"

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        import torch

        table = torch.zeros(4, device=ctx.device)
        return {"value": table[torch.tensor([99], device=ctx.device)].cpu().numpy()}


class HangOnDevice(Soon, Experiment[NoParams, Anything]):
    """Queues minutes of work on a GPU and waits for it."""

    id = "q00/hang_on_device"

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        import torch

        square = torch.randn(16384, 16384, device=ctx.device)
        ctx.emit({"pid": os.getpid()})
        for _ in range(4000):
            square = torch.nn.functional.normalize(square @ square)
        torch.cuda.synchronize()
        return {}


class Children(Soon, Experiment[NoParams, Anything]):
    """Starts a process of its own, as a two-process lab does, and waits for it."""

    id = "q00/children"

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        ctx.emit({"pid": child.pid})
        child.wait()
        return {}


class Bug(Soon, Experiment[NoParams, Anything]):
    """A programmer's mistake."""

    id = "q00/bug"

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        raise KeyError("missing")


class Noisy(Soon, Experiment[NoParams, Anything]):
    """Prints more than a pipe holds."""

    id = "q00/noisy"

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        print("x" * 200_000)
        return {"printed": True}


class WhoAmI(Soon, Experiment[NoParams, Anything]):
    """Tells about the process."""

    id = "q00/whoami"

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        import torch

        threads = torch.get_num_threads()
        return {"pid": os.getpid(), "nice": os.nice(0), "threads": threads, "device": ctx.device}
