"""Diagrams of an answer: `NAME.svg` in a question's folder, shown where a text says `![](NAME.svg)`.

A file is a plain SVG of 360 units' width, so that its texts can be read on a phone, without an empty line:
Markdown would end there. What is marked `lang="en"` or `lang="zh"` is for readers of that language, all else
for both; `title` and `desc` are needed in both and are what a screen reader reads. Numbers are placeholders
as in every text (render.py). Colours come from the page: its style sheet knows the classes. Draws nothing.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from questions.entry import LANGUAGES, Entry, QuestionError
from questions.text_file import TextFileError, read_text_file

IMAGE = re.compile(r"^!\[\]\(([\w-]+)\.svg\)$", re.MULTILINE)
_SPACE = "http://www.w3.org/2000/svg"
_ALTERNATIVES = ("title", "desc")
ET.register_namespace("", _SPACE)


@dataclass(frozen=True)
class Diagram:
    """The source of a diagram, in both languages and with placeholders."""

    name: str
    source: str

    def of_language(self, language: str) -> str:
        """The SVG with the words of one language, named and described for who cannot see it."""
        root = ET.fromstring(self.source)
        for parent in list(root.iter()):
            for child in list(parent):
                if child.attrib.pop("lang", language) != language:
                    parent.remove(child)
        ids = [f"{self.name}-{tag}" for tag in _ALTERNATIVES]
        for tag, name in zip(_ALTERNATIVES, ids, strict=True):
            element = root.find(f"{{{_SPACE}}}{tag}")
            assert element is not None, "read_diagrams saw it"
            element.set("id", name)
        root.attrib |= {"class": "diagram", "role": "img", "aria-labelledby": " ".join(ids)}
        return ET.tostring(root, encoding="unicode")


def read_diagrams(folder: Path) -> dict[str, Diagram]:
    """Every diagram of a question by its name. Raises QuestionError naming file and reason."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.svg"))}


def _read(path: Path) -> Diagram:
    try:
        source = read_text_file(path)
        root = ET.fromstring(source)
    except (TextFileError, ET.ParseError) as error:
        raise QuestionError(f"{path}: {error}") from error
    file = Entry(path, {})
    for tag in _ALTERNATIVES:
        found = [child for child in root if child.tag == f"{{{_SPACE}}}{tag}" and (child.text or "").strip()]
        if sorted(child.get("lang", "") for child in found) != list(LANGUAGES):
            raise file.fail(tag, f"must stand once with lang={' and once with lang='.join(LANGUAGES)}.")
    return Diagram(path.stem, source)
