"""Reads `questions/*/question.toml` into frozen dataclasses and says exactly what is wrong with a file.

The list of questions is whatever folders are there: adding a folder adds a question. Does not look
for a page or a lab, and renders nothing.
"""

from __future__ import annotations

import difflib
import itertools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PARTS = (1, 2, 3, 4, 5)
"""Data, architecture, training, inference, system design."""
LEVELS = (1, 2, 3)
LANGUAGES = ("en", "zh")

_FOLDER = Path(__file__).parent
_KEYS = ("id", "slug", "part", "level", "minutes",
         *(f"{kind}_{language}" for kind in ("title", "short") for language in LANGUAGES))


class QuestionError(Exception):
    """A question file that cannot be used; the message names file, key and reason."""


@dataclass(frozen=True)
class Question:
    """One interview question, as its header shows it.

    `slug` is the name of its folder here, of its page file and of its lab, and so its address.
    `minutes` is the shortest and longest sensible answer. `title` and `short` are by language.
    """

    id: str
    slug: str
    part: int
    level: int
    minutes: tuple[int, int]
    title: Mapping[str, str]
    short: Mapping[str, str]

    @property
    def number(self) -> int:
        """13 for Q13."""
        return int(self.id[1:])


def load_questions(folder: Path = _FOLDER) -> tuple[Question, ...]:
    """All questions below `folder`, by number. Raises QuestionError at the first broken file."""
    questions = [read_question(path) for path in folder.glob("*/question.toml")]
    questions.sort(key=lambda question: question.number)
    for first, second in itertools.pairwise(questions):
        if first.number == second.number:
            path = folder / second.slug / "question.toml"
            raise QuestionError(f"{path}: id: {second.id} is already taken by {first.slug}.")
    return tuple(questions)


def read_question(path: Path) -> Question:
    """One file. Raises QuestionError naming file, key and reason."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise QuestionError(f"{path}: cannot be read: {error}") from error
    check = _Check(path, data)
    check.keys()
    return Question(
        id=check.text("id", r"Q[1-9]\d*", "a Q and a number, such as Q13"),
        slug=check.slug(),
        part=check.number("part", PARTS),
        level=check.number("level", LEVELS),
        minutes=check.minutes(),
        title={language: check.text(f"title_{language}") for language in LANGUAGES},
        short={language: check.text(f"short_{language}") for language in LANGUAGES},
    )


@dataclass(frozen=True)
class _Check:
    """The values of one file, each checked when it is taken."""

    path: Path
    data: dict[str, Any]

    def fail(self, key: str, reason: str) -> QuestionError:
        return QuestionError(f"{self.path}: {key}: {reason}")

    def keys(self) -> None:
        for key in self.data:
            if key not in _KEYS:
                near = difflib.get_close_matches(key, _KEYS, n=1)
                raise self.fail(key, f"unknown key{f'; did you mean {near[0]}?' if near else '.'}")
        for key in _KEYS:
            if key not in self.data:
                raise self.fail(key, "is missing.")

    def text(self, key: str, pattern: str = r"\S(.*\S)?", wanted: str = "a text") -> str:
        value = self.data[key]
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self.fail(key, f"must be {wanted}, not {value!r}.")
        return value

    def slug(self) -> str:
        slug = self.text("slug")
        if slug != self.path.parent.name:
            raise self.fail("slug", f"must be its folder's name, {self.path.parent.name!r}, not {slug!r}.")
        return slug

    def number(self, key: str, allowed: tuple[int, ...]) -> int:
        value = self.data[key]
        if type(value) is not int or value not in allowed:
            raise self.fail(key, f"must be one of {', '.join(map(str, allowed))}, not {value!r}.")
        return value

    def minutes(self) -> tuple[int, int]:
        value = self.data["minutes"]
        pair = isinstance(value, list) and len(value) == 2 and all(type(n) is int for n in value)
        if not pair or not 0 < value[0] <= value[1]:
            raise self.fail("minutes", f"must be shortest and longest, such as [10, 15], not {value!r}.")
        return value[0], value[1]
