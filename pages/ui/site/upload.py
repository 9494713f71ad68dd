"""A field that takes a file, in the reader's language: Streamlit's own words in it are English only.

What it takes and how large it may be stands in the label, and style.css leaves Streamlit's line out and puts
the button's word into Chinese.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.ui.words.i18n import t


def upload(
    label: str, types: Sequence[str], *, key: str, megabytes: int, on_change: Callable[[], None] | None = None
) -> Any:
    """The file that was put into the field, or None; `types` are endings such as "json"."""
    kinds = " · ".join(kind.upper() for kind in types)
    return st.file_uploader(
        t("site.upload", label=label, kinds=kinds, megabytes=megabytes),
        list(types),
        key=key,
        on_change=on_change,
        max_upload_size=megabytes,
    )
