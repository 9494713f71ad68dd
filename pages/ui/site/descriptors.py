"""File descriptors of the web process: as many as the system gives, and one sentence when none is left.

Each browser holds a few. Without this, asyncio writes thousands of tracebacks a second once they are used up.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

_WANTED = 65_536
_SILENT_SECONDS = 60.0
_log = logging.getLogger(__name__)


def raise_limit() -> None:
    """Lift this process's own limit as far as the system lets it; Windows has none."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Exhaustion:
    """An asyncio exception handler that says once a minute that no descriptor is left."""

    def __init__(self) -> None:
        self._silent_until = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        message = context.get("message", "")
        if "out of system resource" not in message:
            if "_start_serving" not in message:  # thousands wait to accept at the end
                loop.default_exception_handler(context)
            return
        if (now := time.monotonic()) >= self._silent_until:
            self._silent_until = now + _SILENT_SECONDS
            _log.error(
                "No file descriptors are left: new browsers wait until others leave. Raise `ulimit -n`."
            )
