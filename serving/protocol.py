"""How the server speaks HTTP while no request has come about yet: its errors have the shape of all others.

Whatever uvicorn would answer by itself, in plain text and without a name, is answered here, and a request's
head has to come in time. WebSockets are not spoken: who asks to go over to them is answered as anybody else.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from serving.errors import Invalid, ServiceError, SlowBody
from serving.logs import tell

HEAD_SECONDS = 10.0
"""From a request's first byte, or the beginning of its connection, to the end of its headers."""
NO_REQUEST = Invalid(
    "This is no HTTP/1.1 request that can be read; check its first line and its headers, of 16 KiB at most."
)
MAY_ANSWER = (h11.IDLE, h11.SEND_RESPONSE)
"""States in which no answer has begun."""


class Protocol(H11Protocol):
    """One connection."""

    _heard = False
    _head: asyncio.TimerHandle | None = None
    """Runs while a request's head is to come."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a first request."""
        super().connection_made(transport)
        self._time_head()

    def data_received(self, data: bytes) -> None:
        """Some of a request, or all of it."""
        self._heard = True
        super().data_received(data)
        self._time_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._stop_timing()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read, and close."""
        self._refuse(NO_REQUEST)

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: uvicorn's own would have whoever runs this install what is left out on purpose."""

    def _time_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_timing()
        elif self._head is None and not self.transport.is_closing():
            self._head = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _stop_timing(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _too_slow(self) -> None:
        """Whoever has said nothing at all is left without a word, as a browser that connects in advance."""
        if self._heard:
            self._refuse(
                SlowBody(
                    f"The request's head was not complete within {HEAD_SECONDS:g} seconds; send it again."
                )
            )
        self.transport.close()

    def _refuse(self, error: ServiceError) -> None:
        """Answer with an error and close; close alone where an answer is under way already."""
        if self.conn.our_state in MAY_ANSWER:
            name, body = uuid.uuid4().hex, json.dumps(error.body()).encode("ascii")
            headers = [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                ("X-Request-Id", name),
                ("Connection", "close"),
            ]
            reason = HTTPStatus(error.status).phrase
            head = h11.Response(status_code=error.status, headers=headers, reason=reason)
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
            tell("request", request_id=name, status=error.status, outcome=error.code)
        self.transport.close()
