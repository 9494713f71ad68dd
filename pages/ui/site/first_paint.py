"""Puts our style into the document itself, so that it holds from the first paint on, and names more scripts.

Streamlit draws a style like any element: after the menu, and by a script that it first has to load. Until
then the page stands elsewhere and in other sizes, and everything on it jumps. Changes no answer but the
document. The style stands in the body, so that it comes after Streamlit's own, which grow in the head.
"""

from __future__ import annotations

from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.ui.site import first_scripts

_STYLE = f"<style>{Path(__file__).with_name('style.css').read_text(encoding='utf-8')}</style></body>".encode()


class FirstPaint:
    """ASGI middleware: in every HTML document first_scripts.py's links in the head, our style at its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or b"text/html" not in dict(scope["headers"]).get(b"accept", b""):
            await self._app(scope, receive, send)
            return
        plainly = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self._app({**scope, "headers": plainly}, receive, _Document(send).send)


class _Document:
    """Holds an HTML answer until it is whole, and sends it with the style; any other passes as it is."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        """Take the next message of the answer."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message["headers"])
            if headers.get("content-type", "").startswith("text/html"):
                self._start = message
                return
        if self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if not message.get("more_body", False):
            await self._send_whole(self._start)

    async def _send_whole(self, start: Message) -> None:
        linked = self._body.replace(b"</head>", first_scripts.links().encode() + b"</head>", 1)
        body = linked.replace(b"</body>", _STYLE, 1)
        headers = MutableHeaders(raw=start["headers"])
        for name in ("etag", "last-modified"):  # they are those of Streamlit's file
            del headers[name]
        if "content-length" in headers and self._body:
            headers["content-length"] = str(len(body))
        await self._send({**start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})
