"""What a reader of a page would stumble over: a raw sign, no number, a word of the other language.

All texts that an AppTest has drawn are looked at, folded ones and those of plots too, but no code and no
formulas.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message
from markdown_it import MarkdownIt
from streamlit.testing.v1 import AppTest

RAW = re.compile(
    r"\*\*|\bnan\b|(?<![\w.])[-−]0(?:\.0+)?(?![\w.,])|(?<![a-z])\[ *-?\d|\de[+-]\d\d|(?<![\w.,/:-])-\d"
)
"""Open emphasis, no number, a zero with a sign, a list, an exponent or a minus as a program writes them."""
_HALF = r"[\u4e00-\u9fff）][,:;] |[,:;] [\u4e00-\u9fff（]|[\u4e00-\u9fff）]\. "
FOREIGN = {
    "en": re.compile("[\u3400-\u9fff]"),
    "zh": re.compile(rf"(?:\b[a-z][a-z'-]+[ ,;]+){{4,}}[a-z]+|{_HALF}"),
}
"""A Chinese character in English; in Chinese five small English words in a row, or a mark of half width."""
QUOTED, ASIDE = re.compile("“[^”]*”"), re.compile(r"\([^()]*\)")
"""What is quoted may be in any language and have any sign; other names of a thing may be in any language."""
_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
_FIELDS = ("body", "label", "placeholder", "help", "options")
"""Fields of Streamlit's elements that are shown, all of them as Markdown."""
_SILENT = ("Code", "Html", "BidiComponent", "ButtonGroup")
"""Code, what the model wrote, components; the languages are each named in their own."""
_PLOT = ("title", "name", "play")
"""Our own words in a plot; tokens and what a model wrote stand elsewhere, and in a title's `text`."""
_FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)


def stumbles(app: AppTest, lang: str) -> list[str]:
    """Every text with something wrong in it."""
    return [text for text in shown(app) if stumbled_over(text, lang)]


def stumbled_over(text: str, lang: str) -> bool:
    """Whether something is wrong in one text."""
    ours = QUOTED.sub("", text)
    return bool(RAW.search(ours) or FOREIGN[lang].search(ASIDE.sub("", ours)))


def shown(app: AppTest) -> Iterator[str]:
    """All texts of a page as they are read."""
    for message in _messages(app._tree):
        if message.DESCRIPTOR.name == "BidiComponent":
            if message.component_name == "plot":
                yield from _of_plot(json.loads(json.loads(message.json)["figure"]))
        elif message.DESCRIPTOR.name not in _SILENT:
            for field in _FIELDS:
                value = getattr(message, field, ())
                for text in [value] if isinstance(value, str) else value:
                    yield from _read(str(text))


def _messages(block: Any) -> Iterator[Any]:
    for child in block.children.values():
        if isinstance(getattr(child, "proto", None), Message):
            yield child.proto
        if hasattr(child, "children"):
            yield from _messages(child)


def _read(markdown: str) -> Iterator[str]:
    """The texts between code, formulas and HTML."""
    for token in _MARKDOWN.parse(_FORMULA.sub(" ", markdown)):
        for child in token.children or ():
            if child.type == "text":
                yield child.content


def _of_plot(part: Any, key: str = "") -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            yield from _of_plot(value, key if (key, name) == ("title", "text") else name)
    elif isinstance(part, list):
        for item in part:
            yield from _of_plot(item, key)
    elif isinstance(part, str) and key in _PLOT:
        yield part
