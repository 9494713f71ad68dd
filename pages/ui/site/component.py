"""Parts of a page that run in the browser: what they are made of stands in files beside their module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st


def component(place: Path, **more: Any) -> Callable[..., Any]:
    """The component called like the file `place`, of the .html, .css and .js that stand there.

    `more` is for Streamlit's own `component`: another `html`, or `isolate_styles`.
    """
    files = {kind: place.with_suffix(f".{kind}") for kind in ("html", "css", "js")}
    parts = {kind: file.read_text(encoding="utf-8") for kind, file in files.items() if file.is_file()}
    return st.components.v2.component(place.stem, **{**parts, **more})
