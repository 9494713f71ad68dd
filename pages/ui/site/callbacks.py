"""Widget callbacks run whole: what a click asked for is done, whatever arrives meanwhile.

Streamlit lets a newer request of the same session end a callback at any look at `st.session_state`, and
takes that for the callback's own `st.rerun()`: the rest of it never runs, and a click or an answer is half
kept. Here such a request waits until the callbacks are through, where Streamlit looks for it anyway.
"""

from __future__ import annotations

from typing import Any

from streamlit.runtime.state.safe_session_state import SafeSessionState

_interruptible = SafeSessionState.on_script_will_rerun


def run_whole() -> None:
    """From now on, in every session of this process. The names are private; a test notices if they change."""
    SafeSessionState.on_script_will_rerun = _uninterrupted


def _uninterrupted(self: SafeSessionState, *args: Any, **kwargs: Any) -> None:
    look_for_requests = self._yield_callback
    look_for_requests()  # nothing is taken from the browser yet, so nothing is lost
    object.__setattr__(self, "_yield_callback", lambda: None)
    try:
        _interruptible(self, *args, **kwargs)
    finally:
        object.__setattr__(self, "_yield_callback", look_for_requests)
