"""What needs a slow import is drawn after the rest, and at once when it is loaded."""

from __future__ import annotations

import sys
import threading

import pytest
from streamlit.testing.v1 import AppTest


def script() -> None:
    import streamlit as st

    from pages.ui.site.later import when_imported

    when_imported("colorsys", lambda: st.markdown("drawn"))
    st.markdown("the rest")


def test_what_is_loaded_is_drawn_in_its_place() -> None:
    import colorsys  # noqa: F401

    assert [text.value for text in AppTest.from_function(script, default_timeout=30).run().markdown] == [
        "drawn",
        "the rest",
    ]


def test_a_fresh_server_draws_the_rest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    app = AppTest.from_function(script, default_timeout=30).run()
    assert [text.value for text in app.markdown] == ["the rest"] and "colorsys" not in sys.modules


def test_a_fresh_server_imports_the_rest_when_a_browser_has_drawn_a_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pages.ui.site import later, server

    imported = threading.Event()
    monkeypatch.setattr(later, "first_page", threading.Event())
    monkeypatch.setattr(server.importlib, "import_module", lambda _name: imported.set())
    monkeypatch.setattr(server, "_unread", lambda: iter(()))
    monkeypatch.setattr(server.gc, "freeze", lambda: None)
    warming = threading.Thread(target=server._warm, args=([], ["colorsys"]), daemon=True)
    warming.start()
    assert not imported.is_set()
    later.first_page.set()
    warming.join(60)
    assert imported.is_set() and not warming.is_alive()
