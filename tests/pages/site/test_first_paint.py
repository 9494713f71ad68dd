"""The document comes with our style and names the first scripts; every other answer passes untouched."""

from __future__ import annotations

import importlib.resources
import re

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from pages.ui.site import first_scripts
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


def test_the_document_names_the_scripts_of_the_first_page_in_its_head() -> None:
    head = client.get("/", headers=HTML).text.partition("</head>")[0]
    assert head.endswith(first_scripts.links())


def test_the_script_of_each_element_is_named_with_all_that_it_imports() -> None:
    static = importlib.resources.files("streamlit") / "static"
    named = re.findall(r"[\w.-]+\.js", first_scripts.links())
    known = {*named, *re.findall(r"[\w.-]+\.js", (static / "index.html").read_text(encoding="utf-8"))}
    assert {name.partition(".")[0] for name in named} >= set(first_scripts.ELEMENTS), "other names now"
    for name in named:
        script = (static / "static" / "js" / name).read_text(encoding="utf-8")
        assert set(re.findall(r'from"\./([^"]+)"', script)) <= known


def test_a_question_about_its_head_alone_is_answered() -> None:
    assert client.head("/", headers=HTML).status_code == 200


def test_every_other_answer_passes_as_it_is() -> None:
    answer = client.get("/script", headers=HTML)
    assert answer.text == "</body>" and answer.headers["etag"] == '"mine"'
