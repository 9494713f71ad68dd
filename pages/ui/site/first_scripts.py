"""Streamlit's scripts for what stands on the first page, to be named in the document itself.

Its document names what every app needs. What draws a button or a field is fetched once the server has told of
the first one, and what that imports after it: two more rounds while a person waits. Named at the beginning,
both come while the browser waits for the server anyway.
"""

from __future__ import annotations

import importlib.resources
import re
from functools import cache

ELEMENTS = ("BidiComponent", "Button", "ButtonGroup", "Html", "PageLink", "TextInput")
"""By the names of their scripts, which end in a mark of their content. One that is gone is not named."""
_IMPORTS = re.compile(r'(?:from|import)\s*"\./([\w.-]+\.js)"')


@cache
def links() -> str:
    """The links to all of them that the document does not have."""
    static = importlib.resources.files("streamlit") / "static"
    scripts = static / "static" / "js"
    known = (static / "index.html").read_text(encoding="utf-8")
    names = [each.name for each in scripts.iterdir() if each.name.partition(".")[0] in ELEMENTS]
    for name in names:  # grows by what they import
        imported = _IMPORTS.findall((scripts / name).read_text(encoding="utf-8"))
        names += [each for each in imported if each not in names and each not in known]
    return "".join(f'<link rel="modulepreload" crossorigin href="./static/js/{name}">' for name in names)
