"""The first to see a request and the last to see its answer: names, sizes, time to send, one log line each.

A body is read here, whole and bounded, before anything is made of it. A name is checked because a page in a
browser can have its own name point to this machine (DNS rebinding); other origins are kept out by the content
type, which a page cannot set without asking first. Probes and Prometheus reach one of many nodes by its
address only, which is no name of a page: health and metrics answer under any address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.api.connection import CLIENT_GONE, ClientGone
from serving.api.refusal import refusal
from serving.errors import Broken, ServiceError, SlowBody, TooLarge, WrongHost
from serving.logs import LOG, tell
from serving.service import Service
from serving.settings import LOOPBACK

QUIET = ("/health", "/metrics")
"""Asked every few seconds by machines; not logged."""
_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


class Guard:
    """Around `app`."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service, self._settings = app, service, service.settings
        self._hosts = {*LOOPBACK, service.settings.host, *service.settings.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        try:
            await self._pass_on(scope, receive, exchange.send)
        except ClientGone:
            exchange.status = CLIENT_GONE
        except Exception:
            if exchange.status is not None:
                raise
            LOG.exception("fault", extra={"facts": {"request_id": exchange.id}})
            broken = Broken("The service has a fault; its log tells of it under this answer's X-Request-Id.")
            await refusal(self._service, broken)(scope, receive, exchange.send)
        finally:
            exchange.log()

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            self._check_host(headers.get("host", ""), scope["path"])
            body = await self._body(headers, receive)
        except ServiceError as error:
            await refusal(self._service, error)(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    def _check_host(self, host: str, path: str) -> None:
        name = re.sub(r":\d*$", "", host).strip("[]")
        if path.startswith(QUIET) and _is_address(name):
            return
        if "*" not in self._hosts and name.lower() not in self._hosts:
            raise WrongHost(
                f"This server is not called {name!r:.100}; if it should be, start it with --allowed-host."
            )

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """All of it. Raises TooLarge before it is read where its length is told, SlowBody, ClientGone."""
        most = self._settings.max_body_bytes
        declared = headers.get("content-length", "0")
        too_large = TooLarge(f"A request may have {most:,} bytes; shorten it.")
        if declared.isdecimal() and int(declared[:20]) > most:
            raise too_large
        body = b""
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGone
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise too_large
                    if not message.get("more_body", False):
                        return body
        except TimeoutError as error:
            raise SlowBody(
                f"The request was not complete within {self._settings.body_seconds:g} seconds; send it again."
            ) from error


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class _Exchange:
    """What is known of one request and its answer when it is over."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._began = time.perf_counter()
        self.status: int | None = None
        given = Headers(scope=scope).get("x-request-id", "")
        self.id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = self.id

    async def send(self, message: Message) -> None:
        """Sends on, with the request's id as a header."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["X-Request-Id"] = self.id
        await self._send(message)

    def log(self) -> None:
        """One line."""
        path = self._scope["path"]
        if path.startswith(QUIET):
            return
        facts = self._scope["state"].get("facts")
        tell(
            "request",
            request_id=self.id,
            method=self._scope["method"],
            path=path[:200],
            status=self.status,
            seconds=round(time.perf_counter() - self._began, 6),
            **(facts.for_log() if facts else {}),
        )


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more, and then what the client does."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again
