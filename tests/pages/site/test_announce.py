"""What the terminal says at the start: addresses, and what a server for a team lacks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamlit import config

from pages.ui.site import announce, origin
from pages.ui.site.access import Key
from study.store import StoreError


@pytest.fixture(autouse=True)
def options() -> Iterator[None]:
    """Settings as in the repository's config.toml, put back afterwards."""
    before = {
        name: config.get_option(name)
        for name in ("server.address", "server.allowedHosts", "server.baseUrlPath", "server.port")
    }
    config.set_option("server.port", 8501)
    yield
    for name, value in before.items():
        config.set_option(name, value)


def said(key: Key | None = None) -> str:
    return "\n".join(announce.lines(key, lambda: None))


def test_at_home_it_is_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said() == "MiniMind Interview Lab: http://127.0.0.1:8501/"
    config.set_option("server.baseUrlPath", "/lab/")
    assert said(Key("abc", "")) == "MiniMind Interview Lab: http://127.0.0.1:8501/lab/?token=abc"


def test_a_server_that_nobody_can_open_says_what_to_add() -> None:
    config.set_option("server.address", "0.0.0.0")
    for part in ("--server.allowedHosts NAME", "[auth]", "MINIMIND_DATABASE=", "TLS"):
        assert part in said()


def test_a_complete_server_says_its_addresses_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    config.set_option("server.address", "0.0.0.0")
    config.set_option("server.allowedHosts", ["study.example.org", "*.example.net"])
    monkeypatch.setenv("MINIMIND_DATABASE", "postgresql://host/name")
    monkeypatch.setattr(announce, "_has_login", lambda: True)
    monkeypatch.setattr(announce.importlib.util, "find_spec", lambda _name: object())
    assert "travels unencrypted" in said()
    monkeypatch.setenv(origin.VARIABLE, "https://study.example.org")
    assert said().splitlines() == [
        "MiniMind Interview Lab: https://study.example.org/",
        "and http://127.0.0.1:8501/",
        "and http://study.example.org:8501/",
    ]


def test_a_store_that_cannot_be_opened_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    config.set_option("server.allowedHosts", ["study.example.org"])
    monkeypatch.setenv("MINIMIND_DATABASE", "postgresql://host/name")

    def fails() -> None:
        raise StoreError("PostgreSQL needs a driver.", key="store.no_driver")

    assert "PostgreSQL needs a driver." in "\n".join(announce.lines(None, fails))


def test_a_login_without_its_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    config.set_option("server.address", "0.0.0.0")
    monkeypatch.setattr(announce, "_has_login", lambda: True)
    monkeypatch.setattr(announce.importlib.util, "find_spec", lambda _name: None)
    assert "streamlit[auth]" in said()
