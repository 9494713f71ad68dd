"""Splits `en.md` and `zh.md` into the question, the sections of its answer, and what lies beyond.

Both have three headings of the first level, in this order; the answer has sections of the second level.
Renders nothing.
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


@dataclass(frozen=True)
class Section:
    """A heading of the answer and the text below it, in Markdown with placeholders."""

    title: str
    body: str


@dataclass(frozen=True)
class Prose:
    """The text of one language."""

    question: str
    answer: tuple[Section, ...]
    beyond: str

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield every text after the heading it stands under."""
        yield "question", self.question
        for section in self.answer:
            yield section.title, f"{section.title}\n\n{section.body}"
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
    if before.body or not parts:
        raise file.fail(answer.title, "must consist of sections, each under a ## heading.")
    for section in (question, *parts, beyond):
        if not section.body:
            raise file.fail(section.title, "is empty.")
    return Prose(question.body, tuple(parts), beyond.body)


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
