"""A callback that a newer request meets half-way is finished first."""

from __future__ import annotations

import pytest
from streamlit.runtime.state.safe_session_state import SafeSessionState
from streamlit.testing.v1 import AppTest

from pages.ui.site import callbacks


def script() -> None:
    import streamlit as st
    from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx

    def kept() -> None:
        context = get_script_run_ctx()
        assert context is not None and context.script_requests is not None
        context.script_requests.request_rerun(RerunData())  # as if the browser had sent something else
        st.session_state["first"] = True
        st.session_state["second"] = True

    st.button("Keep", on_click=kept)
    st.text(f"{st.session_state.get('first')} {st.session_state.get('second')}")


def clicked() -> str:
    app = AppTest.from_function(script).run()
    return app.button[0].click().run().text[0].value


def test_a_newer_request_does_not_cut_a_callback_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit as it comes, then as we run it; afterwards as it was."""
    monkeypatch.setattr(SafeSessionState, "on_script_will_rerun", callbacks._interruptible)
    assert clicked() == "None None", "Streamlit does so by itself now: pages/ui/site/callbacks.py can go"
    callbacks.run_whole()
    assert clicked() == "True True"
