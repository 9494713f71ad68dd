"""Who may be loaded: this machine; nobody else is even looked up."""

from __future__ import annotations

import socket

import pytest

from minimind_core.errors import ConfigError
from serving.load.target import endpoint


@pytest.fixture(autouse=True)
def no_names_are_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "gethostbyname", refuse)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/completions"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1/completions"),
        ("http://127.9.9.9:1/v1/", "http://127.9.9.9:1/v1/completions"),
        ("https://localhost/v1/completions", "https://localhost/v1/completions"),
        ("http://[::1]:8000/below/v1", "http://[::1]:8000/below/v1/completions"),
        ("http://LOCALHOST:8000", "http://localhost:8000/v1/completions"),
    ],
)
def test_this_machine_by_any_of_its_names(given: str, expected: str) -> None:
    assert str(endpoint(given, allow_remote=False)) == expected


@pytest.mark.parametrize(
    "given",
    [
        "http://example.com",
        "http://10.0.0.1:8000",
        "http://0.0.0.0:8000",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com",
        "http://localhost.example.com",
        "http://2130706433",
        "http://[::ffff:10.0.0.1]",
    ],
)
def test_another_machine_only_if_it_is_said(given: str) -> None:
    with pytest.raises(ConfigError, match=r"another machine.*--allow-remote"):
        endpoint(given, allow_remote=False)
    assert endpoint(given, allow_remote=True).host


@pytest.mark.parametrize(
    "given",
    [
        "",
        "127.0.0.1:8000",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1:x",
        "\0",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://[::1",
        "http://127.0.0.1:8000\r\nX: y",
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence(given: str) -> None:
    with pytest.raises(ConfigError, match="is no address of a server"):
        endpoint(given, allow_remote=True)
