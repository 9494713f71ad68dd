"""A process that is not to outlive the one that started it: it ends when its standard input closes."""

from __future__ import annotations

import os
import sys
import threading


def kill_when_input_closes(owner: int) -> None:
    """Linux: let the kernel kill process `owner`, or group -`owner`, when the other end of the input closes.

    It reaches a process that hangs in C, and one that is stopped. Whatever arrives on the input kills, too.
    """
    if sys.platform != "linux":
        return
    import fcntl
    import signal

    fcntl.fcntl(0, fcntl.F_SETOWN, owner)
    fcntl.fcntl(0, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)


def leads_group() -> bool:
    """True when this process was started in a group of its own, whose members are all its children."""
    return hasattr(os, "getpgrp") and os.getpgrp() == os.getpid()


def end_when_input_closes() -> None:
    """End this process then; where there is no such kernel, by a thread that needs the interpreter."""
    kill_when_input_closes(os.getpid())
    threading.Thread(target=_wait_and_exit, name="parent", daemon=True).start()


def _wait_and_exit() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)
