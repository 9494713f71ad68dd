"""What we change inside Streamlit is still needed, and does what it says.

Each test shows Streamlit as it comes first; where that fails, the change has become needless and can go.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit import delta_generator, env_util
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.state.safe_session_state import SafeSessionState
from streamlit.testing.v1 import AppTest

from pages.ui import streamlit_inside


def pages_router_is_on(tmp_path: Path) -> bool:
    """Whether a session that begins now would be routed by the folder `pages/` beside its script."""
    (tmp_path / "pages").mkdir(exist_ok=True)
    PagesManager(str(tmp_path / "app.py"))
    return bool(PagesManager.uses_pages_directory)


def test_the_pages_router_stays_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PagesManager, "uses_pages_directory", None)
    assert pages_router_is_on(tmp_path)
    monkeypatch.setattr(PagesManager, "uses_pages_directory", None)
    streamlit_inside.leave_pages_router()
    assert not pages_router_is_on(tmp_path)


def drawing_script() -> None:
    import streamlit as st

    st.text("drawn")


def looks_for_a_prompt(patch: pytest.MonkeyPatch) -> bool:
    """Whether the first element that is drawn looks who draws it."""
    looked = []
    patch.setattr(env_util, "is_repl", lambda: looked.append(1))
    AppTest.from_function(drawing_script, default_timeout=30).run()
    return bool(looked)


def test_the_first_element_waits_for_no_look_at_who_draws_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta_generator, "_use_warning_has_been_displayed", False)
    assert looks_for_a_prompt(monkeypatch)
    monkeypatch.setattr(delta_generator, "_use_warning_has_been_displayed", False)
    streamlit_inside.is_served()
    assert not looks_for_a_prompt(monkeypatch)


def interrupted_script() -> None:
    import streamlit as st
    from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx

    def keep() -> None:
        context = get_script_run_ctx()
        assert context is not None and context.script_requests is not None
        context.script_requests.request_rerun(RerunData())  # as if the browser had sent something else
        st.session_state["first"] = True
        st.session_state["second"] = True

    st.button("Keep", on_click=keep)
    st.text(f"{st.session_state.get('first')} {st.session_state.get('second')}")


def kept_by_a_click() -> str:
    app = AppTest.from_function(interrupted_script, default_timeout=30).run()
    return app.button[0].click().run().text[0].value


def test_a_newer_request_does_not_cut_a_callback_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SafeSessionState, "on_script_will_rerun", streamlit_inside._interruptible)
    assert kept_by_a_click() == "None None"
    streamlit_inside.run_callbacks_whole()
    assert kept_by_a_click() == "True True"


def switching_script(unbind: bool) -> None:
    import streamlit as st

    from pages.ui.streamlit_inside import unbind_widgets

    def first() -> None:
        st.segmented_control("Language", ["en", "zh"], key="lang", bind="query-params")
        if unbind:
            unbind_widgets()
        st.switch_page(other, query_params={"lang": "zh"})

    def second() -> None:
        st.title(st.query_params["lang"])

    other = st.Page(second)
    st.navigation([st.Page(first), other]).run()


@pytest.mark.parametrize("unbind", [False, True])
def test_a_page_with_a_bound_widget_can_be_left(unbind: bool, whole_errors: None) -> None:
    app = AppTest.from_function(switching_script, kwargs={"unbind": unbind}, default_timeout=30).run()
    if unbind:
        assert not app.exception and app.title[0].value == "zh"
    else:
        assert "lang" in app.exception[0].value and not app.title
