"""What the server does around the pages."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from labs.contract import registry as labs_registry
from labs.contract.registry import WordsError, read_words
from minimind_core.errors import CheckpointError
from pages.ui.site import checkpoints, question_list, server
from pages.ui.words import errors as error_words
from pages.ui.words import i18n
from questions import QuestionError


def test_the_worker_starts_with_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Event()
    monkeypatch.setattr(server, "worker", started.set)
    monkeypatch.setattr(server, "_warm", lambda *_modules: None)

    async def live() -> None:
        async with server.lifespan([], [])(None):
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

    monkeypatch.setattr(question_list, "headers", broken)
    with pytest.raises(SystemExit) as ended:
        server.prepare()
    assert ended.value.code == "A question cannot be used. questions/q01_x/question.toml: level: is missing."


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the pages' catalogues, which the server reads instead."""
    folder = tmp_path / "strings"
    shutil.copytree(i18n._STRINGS, folder)
    monkeypatch.setattr(i18n, "_STRINGS", folder)
    monkeypatch.setattr(error_words, "_STRINGS", folder)
    for cached in (i18n.catalogue, error_words.sentences):
        cached.cache_clear()
    yield folder
    for cached in (i18n.catalogue, error_words.sentences):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("en.toml", "[part]", "[part", "cannot be read: "),
        ("zh.toml", "[job]", "<<<<<<< HEAD\n[job]", "mark of an unfinished merge"),
        ("en.toml", 'stop = "Stop"', "stop = 3", "job.stop: must be a text, not 3."),
        ("en.toml", 'stop = "Stop"', 'stop = "Stop {"', "job.stop: is no template"),
        ("en.toml", 'stop = "Stop"', 'stop = "Stop {0}"', "job.stop: name what is filled in"),
        ("en.toml", 'stop = "Stop"', "", "job.stop: is missing; zh.toml has it."),
        ("errors_zh.toml", "[failure]", "[failure", "cannot be read: "),
    ],
)
def test_a_broken_catalogue_ends_the_server_with_one_sentence(
    words: Path, name: str, old: str, new: str, reason: str
) -> None:
    text = (words / name).read_text(encoding="utf-8")
    assert old in text
    (words / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        server.prepare()
    said = str(ended.value.code)
    assert said.startswith(f"A text of the pages cannot be used. {words / name}: ") and reason in said


def test_the_words_of_a_lab_are_looked_at_in_the_same_way_once_the_first_page_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for data, reason in (
        (b"a = 'b", "cannot be read"),
        (b"\xff\xfea\x00", "is UTF-16"),
        (b"a = 1", "a: must be"),
    ):
        path = tmp_path / "en.toml"
        path.write_bytes(data)
        with pytest.raises(WordsError, match=reason):
            read_words(path)
    i18n.catalogue.cache_clear()
    monkeypatch.setattr(labs_registry, "read_words", lambda _path: read_words(path))
    warm(monkeypatch)
    assert f"A text of the lab q06 cannot be used. {path}: a: must be" in caplog.text
    i18n.catalogue.cache_clear()


def warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do at once what the server does once a browser has drawn a page."""
    monkeypatch.setattr(server.later.first_page, "wait", lambda _seconds: True)
    monkeypatch.setattr(server, "_BREAK_SECONDS", 0.0)
    monkeypatch.setattr(server, "gc", SimpleNamespace(collect=lambda: None, freeze=lambda: None))
    server._warm([], [])


def test_what_a_question_holds_and_an_experiment_are_looked_at_then_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise QuestionError("questions/q01_x/claims.toml: claims: is empty.")

    monkeypatch.setattr(question_list, "questions", broken)
    monkeypatch.setattr(labs_registry, "_experiment", raise_misspelt)
    warm(monkeypatch)
    assert "A question cannot be used. questions/q01_x/claims.toml: claims: is empty." in caplog.text
    assert "The experiment q06/decode cannot be used. Decode.nubmers is no part" in caplog.text


def raise_misspelt(_package: str, _name: str) -> None:
    raise TypeError("Decode.nubmers is no part of an experiment.")


def test_a_shipped_checkpoint_with_a_broken_config_is_named_without_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_folder: Path) -> None:
        raise CheckpointError("config.json is not a JSON object.")

    monkeypatch.setattr(checkpoints, "read_config", broken)
    checkpoints.size_of.cache_clear()
    assert checkpoints.size_of("minimind-26m") is None
    checkpoints.size_of.cache_clear()
