"""Whose work this is: named profiles at this machine; elsewhere a login, or the cookie of the browser."""

from __future__ import annotations

import contextlib

import streamlit as st

from pages.ui.settings.data import ask_before_deleting, delete_button, move_browser_drafts
from pages.ui.site import profiles, store, too_long
from pages.ui.site.browser_keys import browser_keys
from pages.ui.site.navigate import SETTINGS, leave_for
from pages.ui.words.i18n import t
from pages.ui.words.markdown import literal
from study.store import MAX_NAME, Profile, StoreError

_BADGE_LIMIT = 20
_SWITCH, _NEW, _NAME = "settings.profile", "settings.new_profile", "settings.profile_name"


def section() -> None:
    """Draw the chooser of profiles, or how this browser is identified."""
    st.header(t("profile.title"), anchor=False)
    match store.identity():
        case "named":
            _chooser()
        case "login":
            st.markdown(t("profile.login", name=literal(str(st.user.get("name") or st.user["sub"]))))
            st.button(t("profile.log_out"), on_click=st.logout)
        case "browser":
            st.markdown(t("profile.browser"))
        case "session":
            st.warning(t("profile.session"))


def badge() -> None:
    """Draw whose work this is, as a button to the settings; nothing where one person has this machine alone.

    A store that fails draws nothing either: the pages that need it say so.
    """
    with contextlib.suppress(StoreError):
        if store.identity() == "named" and len(store.store().profiles.named()) > 1:
            name = profiles.current().name
            short = name if len(name) <= _BADGE_LIMIT else f"{name[:_BADGE_LIMIT]}…"
            st.button(
                literal(short),
                key="who",
                type="tertiary",
                help=t("profile.badge"),
                on_click=leave_for,
                args=(SETTINGS,),
            )


def _chooser() -> None:
    current = profiles.current()
    names = {profile.id: profile.name for profile in store.store().profiles.named()}
    if len(names) > 1:
        st.session_state[_SWITCH] = current.id
        st.selectbox(
            t("profile.current"),
            list(names),
            key=_SWITCH,
            format_func=names.__getitem__,
            on_change=lambda: profiles.switch(st.session_state[_SWITCH]),
        )
    else:
        st.markdown(t("profile.only", name=literal(current.name)))
    st.caption(t("profile.about"))
    with st.expander(t("profile.manage")):
        _names(current)
        if len(names) > 1:
            _deletion(current)


def _names(current: Profile) -> None:
    st.session_state.setdefault(_NAME, current.name)
    new, rename = st.columns(2)
    with new:
        st.text_input(t("profile.new"), key=_NEW, max_chars=MAX_NAME)
        too_long.guard(_NEW, t("profile.new"), MAX_NAME)
        st.button(t("profile.create"), on_click=store.guarded(_create))
    with rename:
        st.text_input(t("profile.name"), key=_NAME, max_chars=MAX_NAME)
        too_long.guard(_NAME, t("profile.name"), MAX_NAME)
        st.button(t("profile.rename"), on_click=store.guarded(_rename))


def _deletion(current: Profile) -> None:
    name = literal(current.name)
    delete_button("profile", t("profile.delete", name=name))
    ask_before_deleting(
        "profile", t("profile.really", name=name), profiles.delete, t("profile.deleted", name=name)
    )


def _create() -> None:
    profiles.create(st.session_state[_NEW])
    st.session_state[_NEW] = ""  # the browser would go on showing the name


def _rename() -> None:
    before, _ = browser_keys()
    profiles.rename(st.session_state[_NAME])
    move_browser_drafts(before, browser_keys()[0])
