"""Our own Markdown as HTML, for documents that stand alone: paragraphs, lists, fenced code, inline marks.

Knows what the questions use, and no more: tables, links and raw HTML stay the text that they are. Formulas
between dollar signs are shown as they are written. Whatever the text holds, its own signs are escaped.
"""

from __future__ import annotations

import html
import re
from itertools import groupby

_BLANK_LINES = re.compile(r"\n[ \t]*\n")
_FENCE = re.compile(r"^```[^\n]*\n(.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)
_ITEM = re.compile(r"^(?:(\d+)[.)]|[-*])[ ]+(.*)$", re.DOTALL)
_NEXT_ITEM = re.compile(r"\n(?=(?:\d+[.)]|[-*])[ ])")
_INLINE = re.compile(
    r"(?P<fence>`+)(?P<code>.+?)(?P=fence)(?!`)|(?<!\\)\$(?P<maths>[^$\n]+)\$"
    r"|\*\*(?P<bold>.+?)\*\*|\*(?P<italic>[^*\s][^*]*)\*|\\(?P<sign>[!-/:-@\[-`{-~])",
    re.DOTALL,
)


def html_of(text: str) -> str:
    """The HTML of a text of several blocks."""
    parts, end = [], 0
    for fence in _FENCE.finditer(text):
        parts += [_blocks(text[end : fence.start()]), f"<pre><code>{html.escape(fence[1])}</code></pre>"]
        end = fence.end()
    return "".join([*parts, _blocks(text[end:])])


def inline_html_of(text: str) -> str:
    """The HTML of a text within a line.

    >>> inline_html_of("**4 <** `a*b`")
    '<strong>4 &lt;</strong> <code>a*b</code>'
    """
    parts, end = [], 0
    for mark in _INLINE.finditer(text):
        parts += [html.escape(text[end : mark.start()]), _mark(mark)]
        end = mark.end()
    return "".join([*parts, html.escape(text[end:])])


def _blocks(text: str) -> str:
    """Paragraphs and lists; the items of a list may have blank lines between them."""
    pieces = [
        piece.strip()
        for block in _BLANK_LINES.split(text)
        for piece in _NEXT_ITEM.split(block.strip())
        if piece.strip()
    ]
    return "".join(_group(kind, list(group)) for kind, group in groupby(pieces, _kind))


def _kind(piece: str) -> str:
    item = _ITEM.match(piece)
    return "p" if item is None else "ol" if item[1] else "ul"


def _group(kind: str, pieces: list[str]) -> str:
    if kind == "p":
        return "".join(f"<p>{inline_html_of(piece)}</p>" for piece in pieces)
    items = [item for piece in pieces if (item := _ITEM.match(piece))]
    start = f' start="{int(items[0][1])}"' if kind == "ol" and int(items[0][1]) != 1 else ""
    return f"<{kind}{start}>{''.join(f'<li>{inline_html_of(item[2])}</li>' for item in items)}</{kind}>"


def _mark(mark: re.Match[str]) -> str:
    """The HTML of one inline mark; code and formulas hold no marks themselves."""
    if mark["code"] is not None:
        return f"<code>{html.escape(mark['code'].strip())}</code>"
    if mark["maths"] is not None:
        return f'<code class="maths">{html.escape(mark["maths"])}</code>'
    if mark["bold"] is not None:
        return f"<strong>{inline_html_of(mark['bold'])}</strong>"
    if mark["italic"] is not None:
        return f"<em>{inline_html_of(mark['italic'])}</em>"
    return html.escape(mark["sign"])
