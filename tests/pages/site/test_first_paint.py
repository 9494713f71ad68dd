"""The document comes with our style; every other answer passes untouched."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from pages.ui.site.first_paint import FirstPaint

HTML = {"accept": "text/html,*/*"}


async def document(_request) -> HTMLResponse:
    page = "<html><head></head><body><div id=root></div></body></html>"
    return HTMLResponse(page, headers={"etag": '"streamlits"'})


async def script(_request) -> PlainTextResponse:
    return PlainTextResponse("</body>", headers={"etag": '"mine"'})


client = TestClient(
    Starlette(
        routes=[Route("/", document, methods=["GET", "HEAD"]), Route("/script", script)],
        middleware=[Middleware(FirstPaint)],
    )
)


def test_the_document_has_the_style_at_its_end() -> None:
    answer = client.get("/", headers=HTML)
    assert answer.text.endswith("</style></body></html>") and ".rail" in answer.text
    assert int(answer.headers["content-length"]) == len(answer.content) and "etag" not in answer.headers


def test_a_question_about_its_head_alone_is_answered() -> None:
    assert client.head("/", headers=HTML).status_code == 200


def test_every_other_answer_passes_as_it_is() -> None:
    answer = client.get("/script", headers=HTML)
    assert answer.text == "</body>" and answer.headers["etag"] == '"mine"'
