"""Sets what Streamlit leaves alone about the whole document: its language and our cookie.

`<html lang>` decides which voice a screen reader uses and which shapes of Chinese characters a
browser draws. The cookie remembers the language for the next visit. What is typed anywhere is kept whole.
Draws nothing.
"""

from __future__ import annotations

import streamlit as st

from pages.ui.words.i18n import COOKIE, current_language

_HTML_LANG = {"en": "en", "zh": "zh-Hans"}
_JS = """
// Half of a character (a cut emoji, pasted) is no text: no message with it reaches the server, and the page
// is stuck. Before anybody hears of an input, such halves become the sign for a broken character.
function mend(event) {
  const target = event.composedPath()[0]
  const type = target instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement
  if (!(target instanceof type) || target.value.isWellFormed?.() !== false) return
  const caret = target.selectionStart
  Object.getOwnPropertyDescriptor(type.prototype, "value").set.call(target, target.value.toWellFormed())
  if (caret !== null) target.setSelectionRange(caret, caret)
}
addEventListener("input", mend, { capture: true })

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
