"""The sign-in page of a server that has a login (`[auth]` in Streamlit's secrets).

It takes the place of every page: work done before signing in would belong to nobody, and be missed after.
"""

from __future__ import annotations

import streamlit as st
from streamlit.errors import StreamlitAuthError

from pages.ui.words import errors
from pages.ui.words.i18n import t

_PROBLEM = "login.problem"


def draw_login_if_needed() -> bool:
    """Draw the sign-in page if the server has a login and the visitor is not signed in; True if drawn."""
    if st.user.get("is_logged_in", True):
        return False
    st.title(t("home.title"), anchor=False)
    st.markdown(t("profile.log_in_first"))
    st.button(t("profile.log_in"), type="primary", on_click=_log_in)
    if problem := st.session_state.pop(_PROBLEM, None):
        st.error(t("profile.log_in_broken", problem=errors.said(problem)))
    return True


def _log_in() -> None:
    try:
        st.login()
    except StreamlitAuthError as error:
        st.session_state[_PROBLEM] = str(error)
