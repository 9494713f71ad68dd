"""The playground's prompt: what is typed stays through a reload, and however long it is."""

from __future__ import annotations

import streamlit as st

from labs.playground.continuation import MAX_PROMPT
from pages.ui.experiments import experiment
from pages.ui.lab import controls
from pages.ui.site import kept_field
from pages.ui.words.i18n import t

NAME = experiment("playground/continuation").lab
_KEY = controls.key(NAME, "prompt")
_EXAMPLES = ("Once upon a time", "春天来了，", "def add(a, b):")


def field() -> None:
    """Draw the field, what is wrong with its text, and the examples."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = st.query_params.get(_KEY, t("playground.example"))
    st.text_area(
        t("playground.prompt"),
        key=_KEY,
        height="content",
        persist_state="session",
        placeholder=t("playground.empty_prompt"),
    )
    kept_field.keep(_KEY, linked=_KEY in st.query_params, on_found=_take)
    typed = str(st.session_state[_KEY])
    controls.say_if_broken(typed)
    if len(typed) > MAX_PROMPT:
        st.warning(t("playground.too_long", length=f"{len(typed):,}", most=f"{MAX_PROMPT:,}"))
    with st.container(horizontal=True, key="examples", gap="small", vertical_alignment="center"):
        st.caption(t("playground.try"), width="content")
        for number, example in enumerate(_EXAMPLES):
            st.button(
                example, key=f"{NAME}.example.{number}", type="tertiary", on_click=_take, args=(example,)
            )


def text() -> str:
    """What the model reads. The rest of a longer prompt stays in the field, to be shortened."""
    return str(st.session_state[_KEY])[:MAX_PROMPT]


def _take(prompt: str) -> None:
    st.session_state[_KEY] = prompt
