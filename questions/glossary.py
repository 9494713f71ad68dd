"""The glossary: one term for one thing, in both languages, from `glossary.toml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from questions.entry import Entry, Localized, both

FILE = Path(__file__).parent / "glossary.toml"
_UNTOUCHED = re.compile(
    r"```.*?```|\$\$.*?\$\$|`[^`\n]+`|\$[^$\n]+\$|!?\[[^\]]*\]\([^)]*\)|\{[^{}\s]+\}", re.DOTALL
)
"""Code, formulas, links and placeholders: nothing in them is a word."""


@dataclass(frozen=True)
class Term:
    """What a thing is called, what it is, and the question that explains it (its id).

    `not_zh` are Chinese words that must not be used for it.
    """

    name: Localized
    meaning: Localized
    question: str
    not_zh: tuple[str, ...] = ()


@cache
def glossary(path: Path = FILE) -> tuple[Term, ...]:
    """All terms, in the order of the file. Raises QuestionError naming file, key and reason."""
    file = Entry.of_file(path)
    file.only(("terms",))
    terms: dict[str, Term] = {}
    for entry in file.tables("terms"):
        term = _term(entry)
        if term.name["en"] in terms:
            raise entry.fail("en", f"{term.name['en']} is already taken.")
        terms[term.name["en"]] = term
    return tuple(terms.values())


def _term(entry: Entry) -> Term:
    entry.only(("en", "zh", *both("meaning"), "question"), ("not_zh",))
    instead = entry.data.get("not_zh", [])
    if not isinstance(instead, list) or not all(isinstance(word, str) and word for word in instead):
        raise entry.fail("not_zh", f"must be a list of words, not {instead!r}.")
    return Term(
        {language: entry.text(language) for language in ("en", "zh")},
        entry.localized("meaning"),
        entry.text("question", r"Q[1-9]\d*", "a question, such as Q6"),
        tuple(instead),
    )


def words_not_to_use(text: str) -> list[tuple[str, str]]:
    """Each word of a Chinese text that the glossary replaces, with the one to use instead.

    >>> words_not_to_use("先做预填充，再逐 token 解码；glitch token 和 `token` 不算")
    [('token', '词元'), ('预填充', 'prefill')]
    """
    words = _UNTOUCHED.sub(" ", text)
    return [
        (word, term.name["zh"])
        for term in glossary()
        for word in term.not_zh
        if _stands_in(_without_names(words, word), word)
    ]


def _without_names(text: str, word: str) -> str:
    """The text without the terms that hold the word themselves: "glitch token" is one."""
    for term in glossary():
        if word in term.name["zh"]:
            text = text.replace(term.name["zh"], " ")
    return text


def _stands_in(text: str, word: str) -> bool:
    if not word.isascii():
        return word in text
    return re.search(rf"(?<![\w?]){word}s?(?![\w=])", text, re.ASCII) is not None


def find_terms(text: str, language: str) -> list[tuple[int, int, Term]]:
    """Where each term stands first in a Markdown text: start, end and the term, from left to right.

    Code, formulas, links, placeholders, headings and tables are passed over. Of two terms that overlap, the
    longer one counts.
    """
    readable = _UNTOUCHED.sub(lambda found: "\0" * len(found[0]), text)
    readable = re.sub(r"^#.*$|^\|.*$", lambda found: "\0" * len(found[0]), readable, flags=re.MULTILINE)
    found: list[tuple[int, int, Term]] = []
    for term in sorted(glossary(), key=lambda term: -len(term.name[language])):
        match = _pattern(term.name[language]).search(readable)
        while match and any(start < match.end() and match.start() < end for start, end, _ in found):
            match = _pattern(term.name[language]).search(readable, match.end())
        if match:
            found.append((match.start(), match.end(), term))
    return sorted(found, key=lambda place: place[0])


@cache
def _pattern(name: str) -> re.Pattern[str]:
    """The word by itself, its plural included; capitals count only where the term has them."""
    word = re.escape(name)
    if not name[0].isascii():
        return re.compile(word)
    plain = name == name.lower()
    return re.compile(
        rf"(?<![\w-]){word}s?(?![\w-])" if not plain else rf"(?i:(?<![\w-]){word}s?(?![\w-]))", re.ASCII
    )
