"""All that we reach for inside Streamlit: names that it may rename in any release.

Written for and tested with Streamlit 1.67.0, which requirements.txt pins. No other file of the app imports
from `streamlit.runtime` or uses a private name (tested). Each function says what goes wrong without it, and
has a test that fails once Streamlit does the same by itself.
"""

from __future__ import annotations

from collections import deque
from typing import Any
from urllib.parse import urlsplit

from streamlit import config, delta_generator
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.state.safe_session_state import SafeSessionState

_MEMORY = "minimind"
_MOST_NAMES = 100
_let_pass = deque[str]()
"""The hosts that `allow_host` added, the oldest first."""
_interruptible = SafeSessionState.on_script_will_rerun


def leave_pages_router() -> None:
    """Turn off Streamlit's own routing of the folder `pages/`, for the whole process.

    Until a session has called `st.navigation`, a fresh server draws `/settings` from the page file alone,
    without app.py and the frame, and knows no page without a file, such as `/q06_gqa`.
    """
    PagesManager.uses_pages_directory = False


def is_served() -> None:
    """Spare the first page Streamlit's look for a Python prompt that draws without a server.

    It looks for the file of every module that is loaded, 40 ms in which the first element waits.
    """
    delta_generator._use_warning_has_been_displayed = True


def run_callbacks_whole() -> None:
    """Let every widget callback run to its end, in every session of this process.

    Streamlit lets a newer request of the same session end a callback at any look at `st.session_state`, and
    takes that for the callback's own `st.rerun()`: the rest of it never runs, and a click or an answer is
    half kept. With this such a request waits until the callbacks are through, where Streamlit looks for it
    anyway.
    """
    SafeSessionState.on_script_will_rerun = _uninterrupted


def _uninterrupted(self: SafeSessionState, *args: Any, **kwargs: Any) -> None:
    look_for_requests = self._yield_callback
    look_for_requests()  # nothing is taken from the browser yet, so nothing is lost
    object.__setattr__(self, "_yield_callback", lambda: None)
    try:
        _interruptible(self, *args, **kwargs)
    finally:
        object.__setattr__(self, "_yield_callback", look_for_requests)


def session_id() -> str:
    """What tells the sessions of this server apart; "" outside of one."""
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context is not None else ""


def memory_of_run() -> dict[str, Any]:
    """What this run of the page keeps for itself; empty when the next one begins. Outside a run never kept.

    Streamlit makes the object that it hangs on anew for each run, callbacks included.
    """
    context = get_script_run_ctx(suppress_warning=True)
    run = context.parallel_coordinator if context is not None else None
    memory: dict[str, Any] = {} if run is None else vars(run).setdefault(_MEMORY, {})
    return memory


def forget_in_address(name: str) -> None:
    """Take a parameter out of the address before the widget that is bound to it is made.

    A number box reads its own, and `inf` there is an OverflowError that no page can catch: it is raised
    again at every reload.
    """
    context = get_script_run_ctx()
    assert context is not None, "outside a session there is no address"
    with context.session_state.query_params() as parameters:
        parameters._initial_query_params.pop(name, None)
        parameters.remove_param(name)


def unbind_widgets() -> None:
    """Release every widget of this session from the address; widgets of the next page are bound anew.

    `st.switch_page` clears the address and refuses to while a widget is bound to it, as our language switch
    always is.
    """
    context = get_script_run_ctx()
    assert context is not None, "outside a session there are no widgets"
    with context.session_state.query_params() as parameters:
        for widget_id in list(parameters._bindings_by_widget):
            parameters.unbind_widget(widget_id)


def allow_host(authority: str) -> None:
    """Let Streamlit's own check of websockets pass this host, which guard.py has found to be ours.

    It reads one setting, without the names of this machine and without the origin that a proxy shows.
    """
    host = urlsplit(f"//{authority}").hostname or ""
    allowed = config.get_option("server.allowedHosts")
    if host in allowed:
        return
    if len(_let_pass) == _MOST_NAMES:  # below "*.example.org" a client can make up names without an end
        oldest = _let_pass.popleft()
        allowed = [name for name in allowed if name != oldest]
    _let_pass.append(host)
    config.set_option("server.allowedHosts", [*allowed, host])
