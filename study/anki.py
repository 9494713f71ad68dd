"""Notes as a text file that Anki imports: tab-separated HTML, with marks that let a later import update them.

    to_text([Note("minimind-en-q01", "Why are inputs **shifted**?", "…", ("q01",))], deck="MiniMind")

The same notes give the same bytes. The header's keys are those of the Anki manual, "Importing text files".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from study.simple_markdown import html_of

_COLUMNS = ("guid", "front", "back", "tags")


@dataclass(frozen=True)
class Note:
    """One note. `front` and `back` are Markdown of ours; Anki knows a note again by its `guid`."""

    guid: str
    front: str
    back: str
    tags: tuple[str, ...] = ()


def to_text(notes: Iterable[Note], *, deck: str) -> str:
    """The file's text. Every field is quoted, so that no tab, quote or line break of a note ends one."""
    text = io.StringIO()
    text.write(f"#separator:tab\n#html:true\n#deck:{deck}\n#notetype:Basic\n")
    text.write("#guid column:1\n#tags column:4\n")
    text.write("#columns:" + "\t".join(_COLUMNS) + "\n")
    rows = csv.writer(text, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
    for note in notes:
        rows.writerow((note.guid, html_of(note.front), html_of(note.back), " ".join(note.tags)))
    return text.getvalue()
