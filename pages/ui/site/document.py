"""Sets what Streamlit leaves alone about the whole document: its language and our cookie.

`<html lang>` decides which voice a screen reader uses and which shapes of Chinese characters a
browser draws. The cookie remembers the language for the next visit. What is typed anywhere is kept whole,
and what a field is called is no Markdown. Draws nothing.
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

// A field that Streamlit draws is called what its label is, Markdown and all: it is said without the signs.
const SIGNS = /(`+)(.+?)\\1|\\*\\*(.+?)\\*\\*|\\*(\\w[^*]*)\\*|\\$([^$\\s][^$]*)\\$|\\\\([^\\w\\s])/g
const FIELDS = ":is(input, textarea, [role=radiogroup], [role=slider])[aria-label]"
function unmark(field) {
  const name = field.ariaLabel
  const said = name.replace(SIGNS, (_, fence, ...parts) => parts.slice(0, 5).find(part => part !== undefined))
  if (said !== name) field.ariaLabel = said
}
new MutationObserver(changes => {
  for (const { type, target, addedNodes } of changes) {
    if (type === "attributes" && target.matches(FIELDS)) unmark(target)
    for (const node of addedNodes) {
      if (node.matches?.(FIELDS)) unmark(node)
      node.querySelectorAll?.(FIELDS).forEach(unmark)
    }
  }
}).observe(document.documentElement, { childList: true, subtree: true, attributeFilter: ["aria-label"] })
document.querySelectorAll(FIELDS).forEach(unmark)

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
