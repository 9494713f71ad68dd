"""One table of a content file, each value checked when it is taken.

Every complaint is one sentence that names file, key and reason. Knows nothing of questions or claims.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from questions.text_file import TextFileError, read_text_file

LANGUAGES = ("en", "zh")
Localized = Mapping[str, str]
"""A text by language."""
Choice = TypeVar("Choice")
SLUG = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"


class QuestionError(Exception):
    """A question file that cannot be used; the message names file, key and reason."""


@dataclass(frozen=True)
class Entry:
    """A table of the file `path`; `where` leads to it within the file, such as "claims.3."."""

    path: Path
    data: Mapping[str, Any]
    where: str = ""

    @classmethod
    def of_file(cls, path: Path) -> Entry:
        """The whole of a TOML file. Raises QuestionError naming the file and the reason."""
        try:
            return cls(path, tomllib.loads(read_text_file(path)))
        except TextFileError as error:
            raise QuestionError(f"{path}: {error}") from error
        except (ValueError, RecursionError) as error:
            raise QuestionError(f"{path}: cannot be read: {error}") from error

    def fail(self, key: str, reason: str) -> QuestionError:
        """The error to raise for `key`."""
        return QuestionError(f"{self.path}: {self.where}{key}: {reason}")

    def only(self, required: Iterable[str], optional: Iterable[str] = ()) -> None:
        """Raise unless all required keys are there, and besides them only optional ones."""
        required, optional = tuple(required), tuple(optional)
        known = (*required, *optional)
        for key in self.data:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                raise self.fail(key, f"unknown key{f'; did you mean {near[0]}?' if near else '.'}")
        for key in required:
            if key not in self.data:
                raise self.fail(key, "is missing.")

    def text(self, key: str, pattern: str = r"\S(.*\S)?", wanted: str = "a text") -> str:
        """The text below `key`: without space around it, and matching `pattern`, which `wanted` describes."""
        value = self.data.get(key)
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.DOTALL):
            raise self.fail(key, f"must be {wanted}, not {value!r}.")
        return value

    def slug(self, key: str = "id") -> str:
        """The name below `key`, in small letters; work is kept under it, so it never changes."""
        return self.text(key, SLUG, "a name in small letters, such as byte-formula")

    def localized(self, name: str) -> Localized:
        """The texts `name_en` and `name_zh`."""
        return {language: self.text(f"{name}_{language}") for language in LANGUAGES}

    def localized_or_none(self, name: str) -> Localized | None:
        """The texts `name_en` and `name_zh`; None where neither is there."""
        present = any(key in self.data for key in both(name))
        return self.localized(name) if present else None

    def one_of(self, key: str, allowed: tuple[Choice, ...]) -> Choice:
        """The value below `key`, which must be one of `allowed` in type too: true is not 1."""
        value = self.data.get(key)
        for choice in allowed:
            if type(value) is type(choice) and value == choice:
                return choice
        raise self.fail(key, f"must be one of {', '.join(map(str, allowed))}, not {value!r}.")

    def table(self, key: str) -> Entry:
        """The table below `key`; an empty one where it is missing."""
        value = self.data.get(key, {})
        if not isinstance(value, dict):
            raise self.fail(key, f"must be a table, not {value!r}.")
        return Entry(self.path, value, f"{self.where}{key}.")

    def tables(self, key: str) -> list[Entry]:
        """The tables of a list `[[key]]`, counted from 1; none where it is missing."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.fail(key, f"must be a list of tables, [[{key}]].")
        return [Entry(self.path, item, f"{self.where}{key}.{index}.") for index, item in enumerate(value, 1)]


def both(*names: str) -> tuple[str, ...]:
    """The keys of localized texts.

    >>> both("title")
    ('title_en', 'title_zh')
    """
    return tuple(f"{name}_{language}" for name in names for language in LANGUAGES)


def check_unique(entries: Iterable[tuple[Entry, str]]) -> None:
    """Raise for the first entry whose id an earlier one has."""
    seen: set[str] = set()
    for entry, name in entries:
        if name in seen:
            raise entry.fail("id", f"{name} is already taken.")
        seen.add(name)
