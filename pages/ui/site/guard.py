"""What every request passes before Streamlit sees it, and what every answer carries.

A request must name a host that this server answers to. A websocket, and whatever is not a GET, must come from
one of our own pages: the same scheme, host and port. What another site loads or frames is refused, and on a
machine of several people so is a browser that has not shown the token. Streamlit alone would let in every
page of the same host name, whatever its port, and ask the internet about any other. origin.py knows what is
ours, refusal.py what is refused, access.py the token.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import logging
import re
from collections.abc import Sequence
from functools import cache

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.ui import streamlit_inside
from pages.ui.site import access
from pages.ui.site.origin import Origin
from pages.ui.site.refusal import NO_TOKEN, Refusal, Request

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_MOST_LOGGED = 20
_YEAR_SECONDS = 31_536_000
_log = logging.getLogger(__name__)


class Guard:
    """ASGI middleware; the outermost, so that no answer leaves without its headers."""

    def __init__(self, app: ASGIApp, key: access.Key | None = None) -> None:
        self._app, self._key = app, key
        self._logged: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        refused = request.refusal() or self._closed_to(request)
        if request.is_socket:
            await self._connect(request, refused, receive, send)
            return
        await self._answer(request, refused, receive, send)

    def _closed_to(self, request: Request) -> Refusal | None:
        """What is said to a browser that has not shown the token."""
        if self._key is None or request.is_health or self._shows_token(request):
            return None
        return None if self._key.known(request.cookies) else NO_TOKEN

    def _shows_token(self, request: Request) -> bool:
        return (
            self._key is not None
            and request.method == "GET"
            and self._key.opens(request.parameter(access.PARAMETER))
        )

    async def _connect(self, request: Request, refused: Refusal | None, receive: Receive, send: Send) -> None:
        if refused is None:
            await self._app(_as_streamlit_compares(request), receive, send)
            return
        if refused.sentence not in self._logged and len(self._logged) < _MOST_LOGGED:
            self._logged.add(
                refused.sentence
            )  # each once, and a few at most: nobody fills the disk with them
            _log.warning("A page was refused. %s", refused.sentence)
        await receive()
        await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, request: Request, refused: Refusal | None, receive: Receive, send: Send) -> None:
        """Answer with the app's page or a refusal. An error inside is an answer, too, and has the headers."""
        policy, begun = content_policy(request.own), False

        async def send_with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                MutableHeaders(scope=message).update(_HEADERS | {"Content-Security-Policy": policy})
            await send(message)

        app = self._app
        if refused is not None:
            app = refused.response(request)
        elif self._shows_token(request):
            app = self._with_cookie(request)
        try:
            await app(request.scope, receive, send_with_headers)
        except Exception:
            if not begun:
                failed = PlainTextResponse("Internal Server Error", 500)
                await failed(request.scope, receive, send_with_headers)
            raise

    def _with_cookie(self, request: Request) -> Response:
        """Leads to the same address without the token, which then is in no history and no link."""
        assert self._key is not None
        answer = RedirectResponse(request.without(access.PARAMETER), 303, {"Cache-Control": "no-store"})
        answer.set_cookie(
            access.cookie_name(),
            self._key.cookie,
            max_age=_YEAR_SECONDS,
            secure=request.own[-1].scheme == "https",
            httponly=True,
            samesite="lax",
        )
        return answer


def _as_streamlit_compares(request: Request) -> Scope:
    """The request with the Host that its Origin names: what Streamlit takes for the same without asking."""
    authority = request.headers["origin"].partition("://")[2]
    streamlit_inside.allow_host(authority)
    headers = [header for header in request.scope["headers"] if header[0] != b"host"]
    return {**request.scope, "headers": [*headers, (b"host", authority.encode("latin-1"))]}


def content_policy(own: Sequence[Origin]) -> str:
    """What a page of ours may load: from this server alone, and nobody may frame it.

    Streamlit needs three things beyond 'self' (measured with 1.67.0 in Chromium 156): the one script in its
    page, which is named by its hash; blob: for the code of components; styles that scripts write.
    """
    sockets = " ".join(origin.socket for origin in own)
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' blob: {_inline_scripts()}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            f"connect-src 'self' {sockets}".rstrip(),
            "frame-src 'none'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


@cache
def _inline_scripts() -> str:
    """The scripts that stand in Streamlit's page itself, as a policy names them."""
    page = (importlib.resources.files("streamlit") / "static" / "index.html").read_bytes()
    scripts = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    return " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'" for text in scripts
    )
