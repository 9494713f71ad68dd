"""English and Chinese: which language a session reads, and the text for a key.

The language is the first of: `?lang=` in the address, the switch on the page, the cookie of the last
visit, the browser's own language, English. Texts stand in `strings/en.toml` and `strings/zh.toml`
with equal keys (tested). The words of a lab and the content of a question stand in their own folders.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from labs.contract import Words
from labs.contract.registry import WordsError, read_words
from pages.ui.streamlit_inside import memory_of_run
from pages.ui.words.catalogue import Catalogue
from pages.ui.words.markdown import Filled, Markdown, filled, filled_plainly

LANGUAGES = ("en", "zh")
COOKIE = "language"

_LANGUAGE = "language"
_STRINGS = Path(__file__).parent / "strings"


@cache
def catalogue(language: str) -> Catalogue:
    """Every text of one language by its dotted key, such as `home.title`; the words of the labs included."""
    return Catalogue(read_words(_STRINGS / f"{language}.toml"), language)


def check_catalogues() -> None:
    """Read what the pages say. Raises WordsError for a file that is broken or lacks what the other has."""
    for language, other in (LANGUAGES, LANGUAGES[::-1]):
        for lacking in sorted(catalogue(other).own.keys() - catalogue(language).own.keys()):
            raise WordsError(f"{_STRINGS}/{language}.toml: {lacking}: is missing; {other}.toml has it.")


def preferred_language(cookie: str | None, locale: str | None) -> str:
    """The language to start in, before anybody chose one.

    >>> preferred_language(None, "zh-CN"), preferred_language("en", "zh-CN"), preferred_language(None, "fr")
    ('zh', 'en', 'en')
    """
    if cookie in LANGUAGES:
        return cookie
    return "zh" if (locale or "").lower().startswith("zh") else "en"


def current_language() -> str:
    """The language of this session, also before the frame has drawn its switch.

    The switch is empty after going back to an address without `?lang=`. Once it is drawn, no later text of
    this run of the page asks the session for it again.
    """
    return memory_of_run().get(_LANGUAGE) or _language()


def _language() -> str:
    return st.session_state.get("lang") or _asked_for() or _first_language()


def _asked_for() -> str | None:
    """The language that the address names, if it is one."""
    asked = st.query_params.get("lang")
    return asked if asked in LANGUAGES else None


def _first_language() -> str:
    return preferred_language(st.context.cookies.get(COOKIE), st.context.locale)


def t(key: str, **values: object) -> Markdown:
    """The Markdown for `key` in the session's language, `{name}` filled from `values`.

    A value that is neither a number nor `Markdown` is shown as it is, whatever signs it holds. Raises
    KeyError for an unknown key or a missing value: both are programmer errors.
    """
    return filled(catalogue(current_language())[key], values)


def plain(key: str, **values: object) -> str:
    """The same as plain text, for what Streamlit does not draw as Markdown: choices, scripts, charts."""
    return filled_plainly(catalogue(current_language())[key], values)


def words_of_lab(lab: str) -> Words:
    """The words of one lab, such as "q13", in the session's language.

    They are plain text, for figures and tables; `markdown_of` makes Markdown of them.
    """
    strings = catalogue(current_language())

    def words(key: str, **values: Any) -> str:
        return Filled(strings[f"{lab}.{key}"], values)

    return words


def language_switch() -> None:
    """Draw the switch between the languages; bound to `?lang=`, so that a link carries its language.

    Streamlit writes an option's visible text into the address, so the options are the codes themselves.
    """
    if "lang" not in st.session_state and _asked_for() is None:
        st.session_state["lang"] = _first_language()
    st.segmented_control(
        "Language · 语言",
        LANGUAGES,
        key="lang",
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    memory_of_run()[_LANGUAGE] = _language()
