"""What the server does around the pages."""

from __future__ import annotations

import asyncio
import threading

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from pages.ui.site import question_list, server
from questions import QuestionError


def test_the_worker_starts_with_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Event()
    monkeypatch.setattr(server, "worker", started.set)
    monkeypatch.setattr(server, "_warm", lambda _modules: None)

    async def live() -> None:
        async with server.lifespan([])(None):
            assert await asyncio.to_thread(started.wait, 5)

    asyncio.run(live())


def test_an_unexpected_error_is_one_sentence(caplog: pytest.LogCaptureFixture) -> None:
    def script() -> None:
        import streamlit as st

        from pages.ui.site.server import on_script_error

        st.session_state["lang"] = "en"
        assert on_script_error(RuntimeError("inner detail"))

    app = AppTest.from_function(script, default_timeout=30).run()
    assert len(app.error) == 1 and app.error[0].value.startswith("Something went wrong on this page")
    assert "inner detail" not in app.error[0].value
    assert "inner detail" in caplog.text


def test_plotly_is_served_from_here() -> None:
    client = TestClient(Starlette(routes=server.routes()))
    answer = client.get(f"/{server.PLOTLY_ADDRESS}")
    assert answer.status_code == 200 and len(answer.content) > 1e6
    assert answer.headers["content-type"].startswith("text/javascript")
    assert client.get("/plotly-0.min.js").status_code == 404


def test_a_broken_question_ends_the_server_with_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise QuestionError("questions/q01_x/question.toml: level: is missing.")

    monkeypatch.setattr(question_list, "questions", broken)
    with pytest.raises(SystemExit) as ended:
        server.prepare()
    assert ended.value.code == "A question cannot be used. questions/q01_x/question.toml: level: is missing."
