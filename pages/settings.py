"""Settings: what the labs run on, language and look, whose work this is, where it lies, what runs here."""

from __future__ import annotations

import streamlit as st

from pages.ui import (
    errors,
    settings_about,
    settings_data,
    settings_labs,
    settings_look,
    settings_profiles,
    store,
)
from pages.ui.frame import page
from pages.ui.i18n import t
from study.store import StoreError


def settings() -> None:
    """The whole page. A store that fails leaves the other sections as they are."""
    st.title(t("settings.title"), anchor=False)
    settings_labs.section()
    settings_look.section()
    try:
        if trouble := store.trouble():
            st.error(trouble)
        settings_profiles.section()
        settings_data.section()
    except StoreError as error:
        st.error(errors.said(error))
    settings_about.section()


page(settings)
