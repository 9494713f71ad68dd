"""One process of a cluster: started with a log of its own, awaited until ready, started anew at its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from minimind_core.errors import MiniMindError
from serving.logs import tell
from serving.scaleout.programs import ends_with_us

START_SECONDS, LOOK_SECONDS = 300.0, 0.05
AGAIN_SECONDS = 1.0
"""Between two starts of a process that does not live."""


class NotStarted(MiniMindError):
    """A process that ended, or said nothing, before it was ready."""


class Process:
    """`command()` under a name, its output in NAME.log in `folder`; `ready` tells when it can be used."""

    def __init__(
        self,
        name: str,
        folder: Path,
        command: Callable[[], Sequence[str]],
        ready: Callable[[Process], bool],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        self._command, self._ready, self._environment = command, ready, environment or {}
        self._process: asyncio.subprocess.Process | None = None
        self._said_before = 0
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns once it is ready. Raises NotStarted."""
        self._said_before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *ends_with_us(),
                *self._command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
                start_new_session=True,  # Ctrl+C is for the cluster, which ends them in order
            )
        end = time.monotonic() + START_SECONDS
        while not self._ready(self):
            if self._process.returncode is not None or time.monotonic() > end:
                raise NotStarted(f"{self.name} does not start: {self._last_line()}")
            await asyncio.sleep(LOOK_SECONDS)
        tell("started", name=self.name, pid=self._process.pid)

    def keep(self) -> None:
        """From now on start it again whenever it ends."""
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self, seconds: float, by: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, wait so long for it, and end it. `by`: the signal that lets it finish."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.send_signal(by)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), seconds)
        self._end_group()

    def said(self, event: str) -> dict[str, Any] | None:
        """The line of its log about an event since it was started, if it has come."""
        for line in self._lines():
            with contextlib.suppress(ValueError):
                data = json.loads(line)
                if isinstance(data, dict) and data.get("event") == event:
                    return data
        return None

    async def _keep(self) -> None:
        while True:
            assert self._process is not None
            code = await self._process.wait()
            began = time.monotonic()
            tell("ended", name=self.name, code=code)
            self._end_group()
            try:
                await self.start()
                tell("back", name=self.name, seconds=round(time.monotonic() - began, 3))
            except NotStarted as error:
                tell("not started", name=self.name, why=str(error))
                await asyncio.sleep(AGAIN_SECONDS)

    def _end_group(self) -> None:
        """End what it has started too: the workers of an nginx outlive it, and keep its port."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _lines(self) -> list[str]:
        with self.log.open("rb") as log:
            log.seek(self._said_before)
            return log.read().decode("utf-8", "replace").splitlines()

    def _last_line(self) -> str:
        return next((line for line in reversed(self._lines()) if line.strip()), "it says nothing")
