"""What Ray's HTTP proxies add to each request: a sentence where the front of a request dies. No Ray.

A proxy imports this by the name in CALLBACK, when it starts. Once an answer has begun nothing can be added to
it: then its stream breaks off, without `[DONE]`.
"""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.api.refusal import AsciiJson
from serving.errors import ServiceError

CALLBACK = {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": f"{__name__}:middlewares"}
"""For the environment of Ray's processes."""


class FrontFailed(ServiceError):
    """The front of a request cannot be reached, or has died."""

    status, code = 503, "front_failed"


class Sentences:
    """Around `app`, which ends without a response where a front dies."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        await self._app(scope, receive, note)
        if scope["type"] == "http" and not begun:
            error = FrontFailed("The front of this request has died; send it again.", retry_after=1)
            await AsciiJson(error.body(), error.status, error.headers())(scope, receive, send)


def middlewares() -> list[Middleware]:
    """What Ray Serve puts around its proxies."""
    return [Middleware(Sentences)]
