"""A field for the content of one's own file: a box of many lines, and a file that is put into it.

The file is read by this server and kept nowhere. Of one that is too long as many whole lines are taken as the
field holds, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from labs.contract.fields import Text
from pages.ui.site.upload import upload
from pages.ui.words.i18n import t

_HEIGHT = 140
_MOST_MEGABYTES = 20


def box(spec: Text, label: str, common: dict[str, Any], put: Callable[[str], None]) -> Any:
    """The box and the file below it; returns what the box says. `put` is given a file's text."""
    name = common["key"]
    value = st.text_area(label, max_chars=spec.max_length, height=_HEIGHT, **common)

    def take() -> None:
        uploaded = st.session_state[f"{name}.file"]
        st.session_state.pop(f"{name}.cut", None)
        if uploaded is not None:  # None: taken away again; the text stays
            text, is_cut = fitting(uploaded.getvalue(), spec.max_length)
            put(text)
            if is_cut:
                st.session_state[f"{name}.cut"] = (text, text.count("\n") + 1)

    upload(t("controls.file"), spec.files, key=f"{name}.file", megabytes=_MOST_MEGABYTES, on_change=take)
    text, lines = st.session_state.get(f"{name}.cut", (None, 0))
    if value == text:
        st.caption(t("controls.cut", lines=f"{lines:,}"))
    return value


def fitting(content: bytes, most: int) -> tuple[str, bool]:
    r"""A file's text in at most `most` characters, if possible cut after a whole line; whether it was cut.

    What is no UTF-8 becomes a replacement character.

    >>> fitting(b"one\ntwo\nthree", 9)
    ('one\ntwo', True)
    """
    text = content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
    if len(text) <= most:
        return text, False
    head = text[: most + 1]
    return head[: head.rfind("\n") if "\n" in head else most], True
