"""Splits `en.md` and `zh.md` into the question, the sections of its answer, and what lies beyond.

Both have three headings of the first level, in this order; the answer has sections of the second level. Its
first section is the answer as one would say it. A section may end with the box of what is often said, and
wrong, under a heading of the third level. Renders nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from questions.entry import Entry, QuestionError
from questions.text_file import TextFileError, read_text_file

HEADINGS = {
    "en": ("Question", "Reference answer", "Beyond the usual answer"),
    "zh": ("题目", "参考答案", "更进一步"),
}
SPOKEN = {"en": "In 90 seconds", "zh": "90 秒讲清"}
OFTEN_SAID = {"en": "Often said, and wrong", "zh": "常见的错误说法"}


@dataclass(frozen=True)
class Section:
    """A heading of the answer and the text below it, in Markdown with placeholders.

    `often_said` is the box that argues with what is commonly said; empty where a section has none.
    """

    title: str
    body: str
    often_said: str = ""


@dataclass(frozen=True)
class Prose:
    """The text of one language; `spoken` is the whole answer as one says it in 90 seconds."""

    question: str
    spoken: str
    answer: tuple[Section, ...]
    beyond: str

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield every text after the heading it stands under."""
        yield "question", self.question
        yield "spoken", self.spoken
        for section in self.answer:
            yield section.title, f"{section.title}\n\n{section.body}\n\n{section.often_said}"
        yield "beyond", self.beyond


def read_prose(path: Path, language: str) -> Prose:
    """Read one of the two files. Raises QuestionError naming it and the heading."""
    file = Entry(path, {})
    try:
        text = read_text_file(path)
    except TextFileError as error:
        raise QuestionError(f"{path}: {error}") from error
    sections = _split(text, "# ")
    titles = tuple(section.title for section in sections[1:])
    if titles != HEADINGS[language] or sections[0].body:
        wanted = ", ".join(f"# {title}" for title in HEADINGS[language])
        raise file.fail("headings", f"must be {wanted}, with nothing before them; found {', '.join(titles)}.")
    question, answer, beyond = sections[1:]
    before, *parts = _split(answer.body, "## ")
    if before.body or len(parts) < 2 or parts[0].title != SPOKEN[language]:
        raise file.fail(answer.title, f"must consist of ## sections, the first called {SPOKEN[language]}.")
    for section in (question, *parts, beyond):
        if not section.body:
            raise file.fail(section.title, "is empty.")
    spoken, *sections = parts
    boxed = tuple(_with_box(file, section, language) for section in sections)
    return Prose(question.body, spoken.body, boxed, beyond.body)


def _with_box(file: Entry, section: Section, language: str) -> Section:
    """The section with what is often said taken out of its text; no other third heading is allowed."""
    body, *boxes = _split(section.body, "### ")
    if any(box.title != OFTEN_SAID[language] for box in boxes) or len(boxes) > 1:
        raise file.fail(
            section.title, f"may end with one ### {OFTEN_SAID[language]}, and has no other ### heading."
        )
    if not body.body or not all(box.body for box in boxes):
        raise file.fail(section.title, "is empty, or its box is.")
    return Section(section.title, body.body, *(box.body for box in boxes))


def _split(text: str, mark: str) -> list[Section]:
    """The text before the first heading that starts with `mark` (no title), then each heading's text."""
    sections, title, body, in_code = [], "", list[str](), False
    for line in text.split("\n"):
        in_code ^= line.startswith("```")
        if line.startswith(mark) and not in_code:
            sections.append(Section(title, "\n".join(body).strip()))
            title, body = line[len(mark) :].strip(), []
        else:
            body.append(line)
    return [*sections, Section(title, "\n".join(body).strip())]
