"""Keeps what stands in a text area through a reload of its page, in the browser's tab and nowhere else.

For a text that may be lost with its tab; an answer is kept by a component of its own. Draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

_JS = """
let key = null
let looked = false  // once a page load: after that the server knows more than what was kept
const name = () => `minimind.field.${key}`
const area = () => key && document.querySelector(`.st-key-${key} textarea`)

addEventListener("input", event => {
  try {
    if (event.target === area()) sessionStorage.setItem(name(), event.target.value)
  } catch { /* site data are blocked: then nothing is kept */ }
}, { capture: true })

export default function ({ data: { field, text, linked }, setTriggerValue }) {
  key = field
  try {
    const kept = sessionStorage.getItem(name())
    if (!looked && !linked && kept !== null && kept !== text) setTriggerValue("kept", kept)
    else if (document.activeElement !== area()) sessionStorage.setItem(name(), text)
    looked = true
  } catch { /* as above */ }
}
"""
_component = st.components.v2.component("kept_field", js=_JS)


def keep(field: str, *, linked: bool, on_found: Callable[[str], None]) -> None:
    """Keep the text area with the key `field`, which must be drawn before; one on a page.

    `on_found` is called with a text that was kept before a reload, but not where the text is `linked`: given
    by the address.
    """
    key = f"{field}.kept"

    def found() -> None:
        kept = (st.session_state.get(key) or {}).get("kept")
        if isinstance(kept, str):
            on_found(kept)

    data = {"field": field, "text": st.session_state[field], "linked": linked}
    _component(key=key, data=data, on_kept_change=found, height=0)
