"""What needs a slow import is drawn after the rest, and at once when it is loaded."""

from __future__ import annotations

import sys

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
