"""Under which names a browser keeps what a person types; no profile can be told from them. Draws nothing."""

from __future__ import annotations

import hashlib

import streamlit as st

from pages.ui.site import store

_BROWSER = "minimind.draft."


def browser_keys() -> tuple[str, str]:
    """How the names begin under which a browser keeps this person's drafts, and how they once began.

    The first depends on the person alone, so that no new database orphans what a browser holds; neither
    reveals the profile. The second is empty where no profile is known. Asks no store.
    """
    mark = profile_mark() if "profile" in st.session_state else ""
    return f"{_BROWSER}{_short_hash(store.person())}.", f"{_BROWSER}{mark}." if mark else ""


def link_key(link: str) -> str:
    """How the names begin under which a browser keeps what is typed in such a window, of whoever types."""
    return f"{_BROWSER}{link_mark(link)}."


def profile_mark() -> str:
    """A mark of the profile, which is another after the data were deleted; empty where there is none."""
    known = str(st.session_state.get("profile", ""))
    return _short_hash(known) if known else ""


def link_mark(link: str) -> str:
    """A mark of a link that opens a window of an interview, from which nobody finds the link."""
    return _short_hash(link)


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
