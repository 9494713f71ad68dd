"""The guide: how to use the questions, in both languages, and the claims that show how an answer goes wrong.

`guide/en.md` and `guide/zh.md` have the same headings; `guide/examples.toml` names the claims.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from questions.entry import Entry, Localized, QuestionError, both
from questions.text_file import TextFileError, read_text_file

FOLDER = Path(__file__).parent / "guide"


@dataclass(frozen=True)
class Part:
    """A heading and the Markdown below it."""

    title: str
    body: str


@dataclass(frozen=True)
class Example:
    """A claim that was said with confidence and is wrong, and what its kind of fault is recognised by."""

    claim: str
    lesson: Localized


@dataclass(frozen=True)
class Guide:
    """The parts by language, the first with the page's title; the examples belong to the last one."""

    parts: dict[str, tuple[Part, ...]]
    examples: tuple[Example, ...]


@cache
def guide(folder: Path = FOLDER) -> Guide:
    """The whole guide. Raises QuestionError naming file and reason."""
    parts = {language: _parts(folder / f"{language}.md") for language in ("en", "zh")}
    if len(parts["en"]) != len(parts["zh"]):
        raise QuestionError(f"{folder}: en.md and zh.md differ in their number of headings.")
    return Guide(parts, _examples(folder / "examples.toml"))


def _parts(path: Path) -> tuple[Part, ...]:
    """Split at lines that begin with one or two # and a blank."""
    found: list[Part] = []
    for line in _read(path).splitlines():
        if line.startswith(("# ", "## ")):
            found.append(Part(line.lstrip("# "), ""))
        elif not found:
            raise QuestionError(f"{path}: must begin with its title, # and a blank before it.")
        else:
            found[-1] = Part(found[-1].title, f"{found[-1].body}{line}\n")
    return tuple(found)


def _examples(path: Path) -> tuple[Example, ...]:
    try:
        data = tomllib.loads(_read(path))
    except ValueError as error:
        raise QuestionError(f"{path}: cannot be read: {error}") from error
    file = Entry(path, data)
    file.only(("examples",))
    return tuple(_example(entry) for entry in file.tables("examples"))


def _example(entry: Entry) -> Example:
    entry.only(("claim", *both("lesson")), ())
    return Example(entry.text("claim", r"Q\d+-C[1-9]\d*", "such as Q6-C1"), entry.localized("lesson"))


def _read(path: Path) -> str:
    try:
        return read_text_file(path)
    except TextFileError as error:
        raise QuestionError(f"{path}: {error}") from error
