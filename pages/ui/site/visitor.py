"""Tells whether a visitor sits at this machine; gives a browser elsewhere a name that nobody else can know.

The name is a random number in a cookie that scripts cannot read. It comes with the page itself, because
Streamlit's own answers to a widget cannot set one. Knows no store: store.py finds the work by the name.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.ui.site import origin

COOKIE = "minimind_visitor"
_YEAR_SECONDS = 31_536_000
_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_NAME = re.compile(r"[A-Za-z0-9_-]{43}")  # what token_urlsafe(32) gives: 256 random bits


def at_this_machine(headers: Mapping[str, str]) -> bool:
    """Whether a request can only come from this machine.

    The server must listen here alone, and no proxy may be declared or have handed the request on. A tunnel
    that hides itself, such as `ssh -L`, counts as this machine: it lets in only who may log in here.
    """
    if st.get_option("server.address") not in origin.LOOPBACK or origin.public() is not None:
        return False
    if any(name in headers for name in _PROXY_HEADERS):
        return False
    asked = origin.parse(f"http://{headers.get('host', origin.LOOPBACK[0])}")
    return asked is not None and asked.host in origin.LOOPBACK


def visitor_name(cookies: Mapping[str, str]) -> str | None:
    """The name that this server gave the browser; None if it has none, or one that we never gave."""
    name = cookies.get(COOKIE, "")
    return name if _NAME.fullmatch(name) else None


class VisitorCookie:
    """ASGI middleware that sends the cookie with each page to a browser that is not at this machine.

    Each page brings it again, so that it ends a year after the last visit and not after the first.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or at_this_machine(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        request = Request(scope)

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.append("set-cookie", _cookie(request))
                    headers["cache-control"] = "no-store"  # a proxy must not hand it to somebody else
            await send(message)

        await self._app(scope, receive, send_with_cookie)


def _cookie(request: Request) -> str:
    name = visitor_name(request.cookies) or secrets.token_urlsafe(32)
    declared = origin.public()
    seen = request.url.scheme if declared is None else declared.scheme
    secure = "https" in (seen, request.headers.get("x-forwarded-proto"))
    return f"{COOKIE}={name}; Path=/; Max-Age={_YEAR_SECONDS}; HttpOnly; SameSite=Lax" + (
        "; Secure" if secure else ""
    )
