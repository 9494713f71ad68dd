"""One of a few choices: a row of buttons, or a menu where the buttons would run out of their room."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

import streamlit as st

from labs.contract import Field, Params

_WIDEST, _IN_A_THIRD = 260, 212
"""Pixels that a row of buttons may take, and in a third of the page has; more choices get a menu."""


def room(params: type[Params], spec: Field) -> int:
    """How wide a row of buttons may be: three controls stand beside each other, each in a third."""
    beside = [each.name for each in params.specs() if each.primary]
    return _IN_A_THIRD if spec.name in beside and len(beside) > 2 else _WIDEST


def draw(label: str, words: Mapping[Any, str], common: dict[str, Any], room: int) -> Any:
    """The chosen one of `words`, each choice by its word; `common` is what any widget of Streamlit takes."""
    first, choices = common.pop("value", None), list(words)
    if sum(map(_width, words.values())) > room:
        index = {} if first is None else {"index": choices.index(first)}
        return st.selectbox(label, choices, format_func=words.__getitem__, **index, **common)
    default = {} if first is None else {"default": first}
    return st.segmented_control(
        label, choices, format_func=words.__getitem__, required=True, **default, **common
    )


def _width(word: str) -> int:
    """About how many pixels a button with this word takes."""
    return 30 + sum(15 if unicodedata.east_asian_width(sign) in "WF" else 8 for sign in word)
