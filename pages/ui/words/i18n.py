"""English and Chinese: which language a session reads, and the text for a key.

The language is the first of: `?lang=` in the address, the switch on the page, the cookie of the last
visit, the browser's own language, English. Texts stand in `strings/en.toml` and `strings/zh.toml`
with equal keys (tested). The words of a lab and the content of a question stand in their own folders.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import streamlit as st

from labs.contract import Words
from labs.contract.registry import flatten, words_of
from pages.ui.experiments import registry

LANGUAGES = ("en", "zh")
COOKIE = "language"

_STRINGS = Path(__file__).parent / "strings"


@cache
def catalogue(language: str) -> dict[str, str]:
    """Every text of one language by its dotted key, such as `home.title`; the words of the labs included."""
    text = (_STRINGS / f"{language}.toml").read_text(encoding="utf-8")
    return registry().strings(language) | dict(flatten(tomllib.loads(text)))


def preferred_language(cookie: str | None, locale: str | None) -> str:
    """The language to start in, before anybody chose one.

    >>> preferred_language(None, "zh-CN"), preferred_language("en", "zh-CN"), preferred_language(None, "fr")
    ('zh', 'en', 'en')
    """
    if cookie in LANGUAGES:
        return cookie
    return "zh" if (locale or "").lower().startswith("zh") else "en"


def current_language() -> str:
    """The language of this session; valid once the frame has drawn its switch.

    The switch is empty after going back to an address without `?lang=`.
    """
    return st.session_state["lang"] or _first_language()


def _first_language() -> str:
    return preferred_language(st.context.cookies.get(COOKIE), st.context.locale)


def t(key: str, **values: object) -> str:
    """The text for `key` in the session's language, `{name}` filled from `values`.

    Raises KeyError for an unknown key or a missing value: both are programmer errors.
    """
    return catalogue(current_language())[key].format(**values)


def words_of_lab(lab: str) -> Words:
    """The words of one lab, such as "q13", in the session's language."""
    return words_of(lab, catalogue(current_language()))


def language_switch() -> None:
    """Draw the switch between the languages; bound to `?lang=`, so that a link carries its language.

    Streamlit writes an option's visible text into the address, so the options are the codes themselves.
    """
    if "lang" not in st.session_state and st.query_params.get("lang") not in LANGUAGES:
        st.session_state["lang"] = _first_language()
    st.segmented_control(
        "Language · 语言",
        LANGUAGES,
        key="lang",
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
