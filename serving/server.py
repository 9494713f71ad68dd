"""The process around the application: on SIGTERM it ends what was accepted before it ends itself.

Until then its port stays open, so that who comes now is told 503 with Retry-After instead of finding nobody,
and a probe of /health/ready sees it go. A second signal ends it at once.
"""

from __future__ import annotations

import signal
import socket
import time
from types import FrameType

import uvicorn

from serving.api.app import create_app
from serving.logs import tell
from serving.protocol import Protocol
from serving.service import Service

KEEP_ALIVE_SECONDS = 75
"""Longer than nginx keeps an idle connection (60), so that it never sends on one that we close."""


class DrainingServer(uvicorn.Server):
    """uvicorn's server with a drain before its end."""

    def __init__(self, service: Service) -> None:
        settings = service.settings
        super().__init__(
            uvicorn.Config(
                create_app(service),
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                server_header=False,
                http=Protocol,
                ws="none",
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=max(1, int(settings.body_seconds)),
            )
        )
        self._service = service
        self._drained_by = float("inf")
        self.signal: int | None = None
        """What ended it."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bind, and say where."""
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        tell("listening", host=host, port=port)

    async def on_tick(self, counter: int) -> bool:
        """True when it is time to end."""
        over = self._service.gate.draining and (
            self._service.gate.in_flight == 0 or time.monotonic() >= self._drained_by
        )
        return await super().on_tick(counter) or over

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; end at once when asked twice."""
        if self._service.gate.draining:
            self.should_exit = self.force_exit = True
            return
        self.signal = sig
        self._service.gate.draining = True
        self._drained_by = time.monotonic() + self._service.settings.drain_seconds
        tell("draining", in_flight=self._service.gate.in_flight, signal=signal.Signals(sig).name)
