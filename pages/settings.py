"""Settings: what the labs run on, language and look, whose work this is, where it lies, what runs here."""

from __future__ import annotations

import streamlit as st

from pages.ui import experiments
from pages.ui.lab import bench, machine
from pages.ui.settings import about as settings_about
from pages.ui.settings import data as settings_data
from pages.ui.settings import labs as settings_labs
from pages.ui.settings import look as settings_look
from pages.ui.settings import profiles as settings_profiles
from pages.ui.site import away, store
from pages.ui.words.i18n import t
from study.store import StoreError


def settings() -> None:
    """Draw the whole page. A store that fails leaves the other sections as they are."""
    st.title(t("settings.title"), anchor=False)
    settings_labs.section()
    bench.panel(experiments.experiment(machine.CARD))
    settings_look.section()
    try:
        if trouble := store.trouble():
            st.error(trouble)
        settings_profiles.section()
        settings_data.section()
    except StoreError as error:
        away.say(error)
    settings_about.section()


settings()
