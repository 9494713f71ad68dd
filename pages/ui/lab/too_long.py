"""A sentence below a text field when what is pasted or typed is longer than the field may hold.

It is said in the browser, before the text gets in: Streamlit's own limit leaves a longer paste out and says
nothing, and a megabyte in a field keeps a browser busy for minutes.
"""

from __future__ import annotations

from pathlib import Path

from labs.contract.fields import Text
from pages.ui.site.component import component
from pages.ui.words.i18n import plain

_sentence = component(Path(__file__), html='<div class="too-long" role="alert"></div>', isolate_styles=False)


def guard(spec: Text, label: str, field: str) -> None:
    """Watch the text field whose key is `field`; nothing stands there until something is too long."""
    sentence = plain("controls.too_long", label=label, most=f"{spec.max_length:,}", given="{given}")
    data = {"field": f"st-key-{field}", "most": spec.max_length, "sentence": sentence}
    _sentence(key=f"{field}.too_long", data=data)
