"""A finished attempt as a document to take away, and its Markdown; `report_html` makes the web page of it.

A report is headings with blocks below them: paragraphs, what the person wrote, a table, ticked lines. Its
words are given by whoever builds it. A plain text is shown as it is, whatever signs it holds; only what is
`Marked` keeps its Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_SIGNS = re.compile(r"[\\`*_\[\]<>|~$&!]")
"""What Markdown gives a meaning to within a line."""
_AT_START = re.compile(r"^(\d+(?=[.)])|(?=[#+=-]))")
"""What would begin a heading, a list or a rule."""
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_STEERING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Marked(str):
    """Markdown of our own, such as the text of a question."""


@dataclass(frozen=True)
class Written:
    """What the person wrote, line by line."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of texts below a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Tick:
    """A line of the rubric: whether it was made, and by what it was decided if not by hand."""

    done: bool
    text: str
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """A plot as SVG of our own: what it is about and called, where its numbers come from, a table.

    Markdown has no plots: there the table stands for it, below `table_title`.
    """

    about: str
    title: str
    svg: str
    source: str
    table_title: str = ""
    table: Table | None = None


Block = str | Written | Table | Picture | tuple[Tick, ...]


@dataclass(frozen=True)
class Section:
    """A heading and the blocks below it."""

    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """One attempt. `facts` stand below the title: name and value."""

    title: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]


def to_markdown(report: Report) -> str:
    """The whole document in Markdown."""
    parts = [f"# {inline(report.title)}"]
    parts.append("\n".join(f"- **{inline(name)}:** {inline(value)}" for name, value in report.facts))
    for section in report.sections:
        parts.append(f"## {inline(section.heading)}")
        parts.extend(_block(block) for block in section.blocks)
    return "\n\n".join(part for part in parts if part) + "\n"


def inline(text: str) -> str:
    """The Markdown of a text within a line: of a plain one, what shows it as it is.

    >>> inline("a*b\\n# c"), inline(Marked("**a**"))
    ('a\\\\*b # c', '**a**')
    """
    if isinstance(text, Marked):
        return readable(text)
    line = " ".join(readable(text).split())
    return _AT_START.sub(r"\1\\", _SIGNS.sub(r"\\\g<0>", line))


def readable(text: str) -> str:
    """The text without what no document can hold or what turns its direction around."""
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    unix = joined.replace("\r\n", "\n").replace("\r", "\n")
    return _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", _STEERING.sub("", unix))


def _block(block: Block) -> str:
    if isinstance(block, Written):
        return _fenced(readable(block.text))
    if isinstance(block, Table):
        rows = (block.head, ("---",) * len(block.head), *block.rows)
        return "\n".join(_row(row, raw=index == 1) for index, row in enumerate(rows))
    if isinstance(block, tuple):
        return "\n".join(_tick(tick) for tick in block)
    if isinstance(block, Picture):
        parts = [f"**{inline(block.title)}**", inline(block.about), inline(block.source)]
        return "\n\n".join(parts if block.table is None else [*parts, _block(block.table)])
    return readable(block) if isinstance(block, Marked) else inline(block)


def _row(cells: Iterable[str], *, raw: bool) -> str:
    return f"| {' | '.join(cell if raw else _cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    """A table ends a cell at each bar that is not escaped, also within code."""
    line = " ".join(inline(text).split())
    return re.sub(r"(?<!\\)\|", r"\\|", line)


def _tick(tick: Tick) -> str:
    note = f" ({inline(tick.note)})" if tick.note else ""
    return f"- [{'x' if tick.done else ' '}] {inline(tick.text)}{note}"


def _fenced(text: str) -> str:
    """Between fences that are longer than any within."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"
