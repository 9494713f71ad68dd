"""The part of the settings that only this browser sees: language, and where the theme is switched."""

from __future__ import annotations

import streamlit as st

from pages.ui.words.i18n import LANGUAGES, current_language, t

_KEY = "settings.lang"
_NAMES = {"en": "English", "zh": "中文"}
"""Each as its speakers call it."""


def section() -> None:
    """Draw the choice of language, as the switch above has it, and a sentence on light and dark."""
    st.header(t("settings.look.title"), anchor=False)
    st.session_state[_KEY] = current_language()  # the switch above may have moved since
    st.segmented_control(
        t("settings.look.language"),
        LANGUAGES,
        key=_KEY,
        required=True,
        on_change=_choose,
        format_func=_NAMES.__getitem__,
    )
    st.markdown(t("settings.look.theme"))


def _choose() -> None:
    if chosen := st.session_state.get(_KEY):  # gone where a change of profile has just cleared the session
        st.session_state["lang"] = chosen
