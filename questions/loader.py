"""Reads `questions/*/` into frozen dataclasses and says exactly what is wrong with a file.

A folder holds `question.toml`; once that has more than a header, the question counts as written and
`claims.toml`, `en.md` and `zh.md` are read too. README.md says how to write them. The list of questions
is whatever folders are there: adding a folder adds a question. Does not look for a page or a lab.

The headers can be read alone: a menu of all questions does not wait for what they contain.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from questions.claims import read_claim
from questions.consistency import check_question
from questions.diagrams import read_diagrams
from questions.entry import LANGUAGES, Entry, QuestionError, both, check_unique
from questions.interview import read_cues, read_follow_ups, read_hints, read_predictions, read_rubric
from questions.kata import read_kata
from questions.prose import read_prose
from questions.schema import LEVELS, PARTS, Header, Question
from questions.symbols import read_symbols
from questions.text_file import TextFileError, read_text_file
from questions.tickets import Variation, read_variations, tickets_path
from questions.values import read_value

__all__ = [
    "LANGUAGES",
    "LEVELS",
    "PARTS",
    "Header",
    "Question",
    "QuestionError",
    "load_headers",
    "load_question",
    "load_questions",
    "read_question",
]

_FOLDER = Path(__file__).parent
_HEADER = ("id", "slug", "part", "level", "minutes", *both("title", "short"))
_CONTENT = (*both("examines"), "rubric", "predictions", "hints", "follow_ups", "cues")
_OPTIONAL = ("given", "kata", "prerequisites", "symbols")
_ID = r"Q[1-9]\d*"
_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)
AnyHeader = TypeVar("AnyHeader", bound=Header)


def load_headers(folder: Path = _FOLDER) -> tuple[Header, ...]:
    """The headers of all questions below `folder`, by number. Raises QuestionError at the first broken one.

    Their content is neither read nor checked.
    """
    headers = (_top(path) for path in folder.glob("*/question.toml"))
    return _by_number([Header(**_header(entry)) for entry in headers], folder)


def load_questions(folder: Path = _FOLDER) -> tuple[Question, ...]:
    """All questions below `folder`, by number. Raises QuestionError at the first broken file."""
    paths = folder.glob("*/question.toml")
    questions = _by_number([load_question(path.parent.name, folder) for path in paths], folder)
    known = {question.id for question in questions}
    for question in questions:
        for name in question.prerequisites:
            if name not in known or name == question.id:
                raise _file(folder, question).fail("prerequisites", f"there is no other question {name}.")
    return questions


def load_question(slug: str, folder: Path = _FOLDER) -> Question:
    """The question in the folder `slug`, such as "q13_sampling". Raises QuestionError."""
    return _shipped(slug) if folder == _FOLDER else read_question(folder / slug / "question.toml")


@cache
def _shipped(slug: str) -> Question:
    """Pages, labs and checks all ask for the same questions: each is read once in a process."""
    return read_question(_FOLDER / slug / "question.toml")


def read_question(path: Path) -> Question:
    """The question whose `question.toml` this is. Raises QuestionError naming file, key and reason."""
    entry = _read(path)
    written = any(key in entry.data for key in _CONTENT)
    entry.only((*_HEADER, *_CONTENT) if written else _HEADER, _OPTIONAL if written else ())
    question = Question(**_header(entry), **(_content(entry) if written else {}))
    if written:
        check_question(question, path.parent)
    return question


def _header(entry: Entry) -> dict[str, Any]:
    """All fields of a Header."""
    return {
        "id": entry.text("id", _ID, "a Q and a number, such as Q13"),
        "slug": _slug(entry),
        "part": entry.one_of("part", PARTS),
        "level": entry.one_of("level", LEVELS),
        "minutes": _minutes(entry),
        "title": entry.localized("title"),
        "short": entry.localized("short"),
        "written": any(key in entry.data for key in _CONTENT),
    }


def _content(entry: Entry) -> dict[str, Any]:
    """All fields of a Question but those of the header, from the four files."""
    ledger = _read(entry.path.with_name("claims.toml"))
    ledger.only(("claims",))
    tables = ledger.tables("claims")
    claims = tuple(read_claim(table, entry.text("id", _ID, "a Q and a number")) for table in tables)
    check_unique(zip(tables, (claim.id for claim in claims), strict=True))
    if not claims:
        raise ledger.fail("claims", "is empty.")
    given = entry.table("given")
    predictions = read_predictions(entry)
    return {
        "prerequisites": _prerequisites(entry),
        "examines": entry.localized("examines"),
        "given": {name: read_value(given, name) for name in given.data},
        "claims": claims,
        "rubric": read_rubric(entry),
        "predictions": predictions,
        "tickets": _variations(entry),
        "symbols": read_symbols(entry, (each.id for each in predictions if each.kind == "number")),
        "hints": read_hints(entry),
        "follow_ups": read_follow_ups(entry),
        "cues": read_cues(entry),
        "kata": read_kata(entry),
        "prose": {
            language: read_prose(entry.path.with_name(f"{language}.md"), language) for language in LANGUAGES
        },
        "diagrams": read_diagrams(entry.path.parent),
    }


def _variations(entry: Entry) -> tuple[Variation, ...]:
    path = tickets_path(entry.path)
    return read_variations(_read(path) if path.exists() else None, entry)


def _read(path: Path) -> Entry:
    try:
        return Entry(path, tomllib.loads(read_text_file(path), parse_float=Decimal))
    except TextFileError as error:
        raise QuestionError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:  # no TOML, a number of 5,000 digits, endless nesting
        raise QuestionError(f"{path}: cannot be read: {error}") from error


def _top(path: Path) -> Entry:
    """What stands before the first table: in TOML that is the whole header, and a twentieth of the file."""
    try:
        return Entry(path, tomllib.loads(_TABLE.split(read_text_file(path), maxsplit=1)[0]))
    except (TextFileError, ValueError, RecursionError):  # broken, or a text with a line like a table's
        return _read(path)


def _by_number(headers: Sequence[AnyHeader], folder: Path) -> tuple[AnyHeader, ...]:
    """The same in order. Raises QuestionError where two have one number."""
    ordered = sorted(headers, key=lambda header: header.number)
    for first, second in itertools.pairwise(ordered):
        if first.number == second.number:
            raise _file(folder, second).fail("id", f"{second.id} is already taken by {first.slug}.")
    return tuple(ordered)


def _file(folder: Path, header: Header) -> Entry:
    return Entry(folder / header.slug / "question.toml", {})


def _slug(entry: Entry) -> str:
    slug, folder = entry.text("slug"), entry.path.parent.name
    if slug != folder:
        raise entry.fail("slug", f"must be its folder's name, {folder!r}, not {slug!r}.")
    return slug


def _minutes(entry: Entry) -> tuple[int, int]:
    value = entry.data["minutes"]
    pair = isinstance(value, list) and len(value) == 2 and all(type(n) is int for n in value)
    if not pair or not 0 < value[0] <= value[1]:
        raise entry.fail("minutes", f"must be shortest and longest, such as [10, 15], not {value!r}.")
    return value[0], value[1]


def _prerequisites(entry: Entry) -> tuple[str, ...]:
    value = entry.data.get("prerequisites", [])
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise entry.fail("prerequisites", f'must be a list of questions, such as ["Q5"], not {value!r}.')
    return tuple(value)
