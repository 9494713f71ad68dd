"""A proxy whose front dies says a sentence, once, and leaves every other answer as it is."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.ray_serve import proxy


def asked(app: ASGIApp) -> httpx.Response:
    for middleware in proxy.middlewares():
        app = middleware.cls(app, *middleware.args, **middleware.kwargs)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:
            return await client.get("/")

    return asyncio.run(ask())


async def dies(scope: Scope, receive: Receive, send: Send) -> None:
    """As Ray's proxy does where the replica of a request is gone."""


def test_a_front_that_dies_before_its_answer_is_a_sentence() -> None:
    response = asked(dies)
    assert response.status_code == 503 and response.headers["Retry-After"] == "1"
    assert response.json()["error"] == {
        "message": "The front of this request has died; send it again.",
        "type": "server_error",
        "param": None,
        "code": "front_failed",
    }


@pytest.mark.parametrize("status", [200, 404, 503])
def test_an_answer_stays_as_it_is(status: int) -> None:
    response = asked(PlainTextResponse("as it is", status))
    assert (response.status_code, response.text) == (status, "as it is")


def test_it_is_found_under_the_name_that_the_proxies_are_given() -> None:
    (name,) = proxy.CALLBACK.values()
    assert name == "serving.ray_serve.proxy:middlewares"
