"""The file for Anki: its header, and fields that nothing within them can end."""

from __future__ import annotations

import csv

from study.anki import Note, to_text

HOSTILE = Note(
    "a-1", '"quoted"\tand <b>&', "| x |\n\n- one\n- `a < b`\n\n```python\nif x:\n\ty\n```", ("Q1", "q01")
)


def read(text: str) -> tuple[list[str], list[list[str]]]:
    """As Anki reads it: lines that begin with # first, then quoted fields between tabs."""
    lines = text.splitlines(keepends=True)
    head = [line.strip() for line in lines if line.startswith("#")]
    return head, list(csv.reader(lines[len(head) :], delimiter="\t"))


def test_the_header_says_what_the_columns_are() -> None:
    head, rows = read(to_text([HOSTILE], deck="MiniMind"))
    assert head[:4] == ["#separator:tab", "#html:true", "#deck:MiniMind", "#notetype:Basic"]
    assert head[4:] == ["#guid column:1", "#tags column:4", "#columns:guid\tfront\tback\ttags"]
    assert len(rows) == 1 and len(rows[0]) == 4


def test_a_note_comes_back_whole_with_its_signs_escaped() -> None:
    _, [[guid, front, back, tags]] = read(to_text([HOSTILE], deck="MiniMind"))
    assert (guid, tags) == ("a-1", "Q1 q01")
    assert "&lt;b&gt;&amp;" in front and "\t" in front
    assert "<li><code>a &lt; b</code></li>" in back and "<pre><code>if x:\n\ty\n</code></pre>" in back


def test_the_same_notes_give_the_same_text() -> None:
    notes = [HOSTILE, Note("b", "", "")]
    assert to_text(notes, deck="d") == to_text(list(notes), deck="d")
