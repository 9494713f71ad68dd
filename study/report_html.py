"""Reports as one web page that stands alone: no script, no address outside, plots as SVG, fit for print.

A policy in the page itself forbids every request, so that not even a text that got past the escaping could
call anywhere. On paper it is black on white, whatever the screen's theme.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from study.report import Block, Marked, Picture, Report, Section, Table, Tick, Written, readable
from study.simple_markdown import html_of, inline_html_of

_LANG = {"en": "en", "zh": "zh-Hans"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = Path(__file__).with_name("report.css")


def to_html(reports: Sequence[Report], *, title: str, language: str) -> str:
    """The page of one report, or of several with a list of them in front; `language` is "en" or "zh"."""
    articles = "\n".join(_article(report, number) for number, report in enumerate(reports, 1))
    return (
        f'<!DOCTYPE html>\n<html lang="{_LANG[language]}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_plain(title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n"
        f"{_contents(reports, title) if len(reports) > 1 else ''}{articles}\n</body>\n</html>\n"
    )


@cache
def _style() -> str:
    return _STYLE.read_text(encoding="utf-8")


def _contents(reports: Sequence[Report], title: str) -> str:
    items = "".join(
        f'<li><a href="#attempt-{number}">{_inline(report.title)}</a> '
        f"{''.join(_inline(value) for _, value in report.facts[:1])}</li>"
        for number, report in enumerate(reports, 1)
    )
    return f"<h1>{_plain(title)}</h1>\n<nav><ol>{items}</ol></nav>\n"


def _article(report: Report, number: int) -> str:
    facts = "".join(
        f"<div><dt>{_inline(name)}</dt> <dd>{_inline(value)}</dd></div>" for name, value in report.facts
    )
    sections = "".join(map(_section, report.sections))
    heading = f"<h1>{_inline(report.title)}</h1>"
    return f'<article id="attempt-{number}">{heading}<dl class="facts">{facts}</dl>{sections}</article>'


def _section(section: Section) -> str:
    blocks = "\n".join(map(_block, section.blocks))
    return f"\n<section><h2>{_inline(section.heading)}</h2>\n{blocks}</section>"


def _block(block: Block) -> str:
    if isinstance(block, Written):
        return f'<div class="written">{_plain(block.text)}</div>'
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, tuple):
        return f'<ul class="ticks">{"".join(map(_tick, block))}</ul>'
    if isinstance(block, Picture):
        return _picture(block)
    return html_of(readable(block)) if isinstance(block, Marked) else f"<p>{_plain(block)}</p>"


def _picture(picture: Picture) -> str:
    """The plot, which a narrow screen pushes sideways, and its numbers in a table to open."""
    numbers = ""
    if picture.table is not None:
        title = _inline(picture.table_title)
        numbers = f"<details><summary>{title}</summary>{_table(picture.table)}</details>"
    return (
        f"<figure><figcaption>{_inline(picture.title)}</figcaption><p>{_inline(picture.about)}</p>"
        f'<div class="plot" tabindex="0">{picture.svg}</div>'
        f"<p><small>{_inline(picture.source)}</small></p>{numbers}</figure>"
    )


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in table.head)
    rows = "".join(f"<tr>{''.join(map(_cell, table.head, row))}</tr>" for row in table.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(head: str, text: str) -> str:
    """Its column's name stands before it where the screen is too narrow for columns."""
    return f'<td data-head="{_plain(head)}">{_inline(text)}</td>'


def _tick(tick: Tick) -> str:
    """The mark is a sign of its own, so that it is there in print and for a screen reader."""
    note = f" <small>({_inline(tick.note)})</small>" if tick.note else ""
    done = ' class="done"' if tick.done else ""
    return f"<li{done}><span>{'☑' if tick.done else '☐'}</span> <span>{_inline(tick.text)}{note}</span></li>"


def _inline(text: str) -> str:
    return inline_html_of(readable(text)) if isinstance(text, Marked) else _plain(text)


def _plain(text: str) -> str:
    return html.escape(readable(text))
