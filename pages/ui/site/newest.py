"""The newest of a long list, and all of it once somebody asks: so that a page stays as quick as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import streamlit as st

from pages.ui.words.i18n import t

FEW = 10
"""Rows that a page draws unasked."""
T = TypeVar("T")


def newest(items: Sequence[T], key: str) -> Sequence[T]:
    """What is drawn of `items`, the newest first: a few, or all once the button of this key was pressed."""
    return items if st.session_state.get(_asked(key)) else items[:FEW]


def rest(items: Sequence[T], key: str) -> None:
    """The button that shows all of `items`; nothing where they are shown."""
    if len(newest(items, key)) < len(items):
        text = t("list.all", count=len(items))
        st.button(text, key=f"{key}.all", type="tertiary", on_click=_ask, args=(key,))


def _ask(key: str) -> None:
    st.session_state[_asked(key)] = True


def _asked(key: str) -> str:
    return f"newest.{key}"
