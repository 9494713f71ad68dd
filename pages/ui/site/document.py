"""Sets what Streamlit leaves alone about the whole document: its language and our cookie.

`<html lang>` decides which voice a screen reader uses and which shapes of Chinese characters a
browser draws. The cookie remembers the language for the next visit. Draws nothing.
"""

from __future__ import annotations

import streamlit as st

from pages.ui.words.i18n import COOKIE, current_language

_HTML_LANG = {"en": "en", "zh": "zh-Hans"}
_JS = """
export default function ({ data }) {
  document.documentElement.lang = data.lang
  try {
    document.cookie = `${data.cookie}=${data.language}; path=/; max-age=31536000; SameSite=Lax`
  } catch { /* a frame or a browser that allows none: the address says the language */ }
}
"""
_document = st.components.v2.component("document_language", js=_JS)


def announce_language() -> None:
    """Tell the browser which language this page is in, and remember it for a year."""
    language = current_language()
    _document(
        key="document", data={"lang": _HTML_LANG[language], "language": language, "cookie": COOKIE}, height=0
    )
