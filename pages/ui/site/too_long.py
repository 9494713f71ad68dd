"""A sentence below a text field when what is pasted or typed is longer than the field may hold.

It is said in the browser, before the text gets in: Streamlit's own limit leaves a longer paste out and says
nothing, and a megabyte in a field keeps a browser busy for minutes.
"""

from __future__ import annotations

import re
from pathlib import Path

from pages.ui.site.component import component
from pages.ui.words.i18n import plain

_NOT_IN_A_CLASS = re.compile(r"[^a-zA-Z0-9_-]")
"""Signs of a key that Streamlit replaces in the class that it gives the field."""
_sentence = component(Path(__file__), html='<div class="too-long" role="alert"></div>', isolate_styles=False)


def guard(field: str, label: str, most: int) -> None:
    """Watch the text field whose key is `field`; nothing stands there until something is too long."""
    sentence = plain("controls.too_long", label=label, most=f"{most:,}", given="{given}")
    _sentence(
        key=f"{field}.too_long",
        data={"field": f"st-key-{_NOT_IN_A_CLASS.sub('-', field)}", "most": most, "sentence": sentence},
    )
