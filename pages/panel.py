"""The page of a panel's member, opened by an own link; without one, a word about that."""

from __future__ import annotations

import streamlit as st

from pages.ui.interview.window import PARAMETER
from pages.ui.site import store
from pages.ui.words import errors
from pages.ui.words.i18n import t
from study.store import StoreError


def page() -> None:
    """Draw what the link in the address opens."""
    link = st.query_params.get(PARAMETER, "")
    try:
        found = store.store().panels.linked(link)
        if found is not None:
            from pages.ui.interview import (
                panel_member,  # with the rubric's parts, which a lost link does not need
            )

            panel_member.draw(*found)
            return
    except StoreError as error:
        st.title(t("panel.nav"), anchor=False)
        st.error(errors.said(error))
        return
    st.title(t("panel.nav"), anchor=False)
    st.markdown(t("panel.no_link"))


page()
