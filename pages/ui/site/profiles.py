"""Named profiles at this machine: which one the session works in, and switching to another.

What belongs to one person never stays in the session for the next. Draws nothing.
"""

from __future__ import annotations

import contextlib

import streamlit as st

from pages.ui.site import settings_file, store
from study.store import Profile, StoreError

_STAYS = ("lang",)


def current() -> Profile:
    """The profile of this session. Raises StoreError if it was deleted in another window."""
    profile = store.store().profiles.find(store.profile())
    if profile is None:
        raise StoreError(
            "This profile no longer exists: reload the page and choose one.", key="store.no_profile"
        )
    return profile


def switch(profile: str) -> None:
    """Work in the profile of this id, here and in every window that is opened from now on."""
    _clear()
    st.session_state["profile"] = profile
    with contextlib.suppress(OSError):  # then it holds for this window only
        settings_file.write({settings_file.PROFILE: profile})


def _clear() -> None:
    for key in list(st.session_state):
        if key not in _STAYS:
            del st.session_state[key]


def create(name: str) -> None:
    """Create a profile and switch to it. Raises StoreError."""
    switch(store.store().profiles.create(name).id)


def rename(name: str) -> None:
    """Give this session's profile another name. Raises StoreError."""
    store.store().profiles.rename(store.profile(), name)
    store.forget_name()


def delete() -> None:
    """Delete this session's profile with all its work, and switch to the oldest of the others."""
    profiles = store.store().profiles
    profiles.delete(store.profile())
    named = profiles.named()
    switch((named[0] if named else profiles.named_or_new("Me")).id)


def empty() -> None:
    """Delete all data of this session's person, who goes on with nothing under the same name.

    The profile is made anew: under its old id, a window that is still open could write old text back.
    """
    if not store.known_profile():
        return
    profiles, old = store.store().profiles, current()
    profiles.delete(old.id)
    if store.identity() == "named":
        switch(profiles.named_or_new(old.name).id)
    else:
        _clear()
        store.known_profile()
