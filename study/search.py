"""Finds texts by words, in English and in Chinese, which writes no breaks between its words.

    find([Entry("term", "KV cache", "Keys and values of …", "glossary#term-kv-cache")], "kv缓存")

A Latin word of the search stands in a text where a word begins with it. A run of Chinese characters is
looked for by its neighbouring pairs, of which more than half must stand there: 缓存内存 finds 缓存的内存 too.
What has the words in its name comes first. Knows nothing of pages, nor of who may see what.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

_CHINESE = "\u3400-\u9fff\uf900-\ufaff"
_PART = re.compile(rf"[{_CHINESE}]+|[^\W{_CHINESE}]+")
_LETTER = rf"[^\W{_CHINESE}]"
_IN_NAME, _WHOLE_WORD, _WHOLE_NAME = 4, 2, 8
"""What counts more: a part of a search in a name, as a whole word, and all of it as a whole name."""


@dataclass(frozen=True)
class Entry:
    """One place to be found: what kind of thing it is, its name, its text, and the address that shows it.

    `also` are other names of it, such as the one in the other language.
    """

    kind: str
    name: str
    text: str
    address: str
    also: tuple[str, ...] = field(default=())

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(map(_folded, (self.name, *self.also)))

    @cached_property
    def _text(self) -> str:
        return _folded(self.text)

    def points(self, wanted: str) -> int:
        """How well it fits a folded search; 0 where any part of that is missing."""
        each = [
            max(_IN_NAME * max(_found(part, name) for name in self._names), _found(part, self._text))
            for part in dict.fromkeys(_PART.findall(wanted))
        ]
        if not each or not all(each):
            return 0
        return sum(each) + _WHOLE_NAME * any(
            _without_blanks(wanted) == _without_blanks(name) for name in self._names
        )


def find(entries: Iterable[Entry], wanted: str) -> list[Entry]:
    """The entries that have all parts of the search, the best first; equal ones keep their order.

    >>> terms = [Entry("term", name, "", "") for name in ("loss mask", "mask")]
    >>> [found.name for found in find(terms, "Mask")]
    ['mask', 'loss mask']
    """
    folded = _folded(wanted)
    scored = [(entry.points(folded), entry) for entry in entries]
    return [entry for points, entry in sorted(scored, key=lambda pair: -pair[0]) if points]


def excerpt(text: str, wanted: str, length: int) -> str:
    """About `length` characters of a text around the first place where a part of the search stands.

    It is cut between words and not within `code`.
    """
    line = " ".join(text.split())
    folded = _folded(line)
    places = [found for part in _PART.findall(_folded(wanted)) if (found := folded.find(part)) >= 0]
    start = max(min(places, default=0) - length // 4, 0)
    start = line.rfind(" ", max(start - 20, 0), start) + 1 or start
    end = start + length
    end = line.find(" ", end, end + 20) if line.find(" ", end, end + 20) > 0 else end
    if line.count("`", 0, start) % 2:
        start = line.rfind("`", 0, start)
    if line.count("`", 0, end) % 2:
        end = line.find("`", end) + 1 or len(line)
    return ("… " if start else "") + line[start:end].strip() + (" …" if end < len(line) else "")


def _folded(text: str) -> str:
    """Wide forms, capitals and runs of blanks told apart no longer."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _without_blanks(text: str) -> str:
    return text.replace(" ", "")


def _found(part: str, text: str) -> int:
    """Whether a part of a search stands in a text: 0 for no, 1 in some of it, 2 as a whole word."""
    if part not in text:
        return _most_pairs(part, text)
    if re.match(rf"[{_CHINESE}]", part):
        return _WHOLE_WORD
    begins = [found.end() for found in re.finditer(rf"(?<!{_LETTER}){re.escape(part)}", text)]
    if any(not re.match(_LETTER, text[end:]) for end in begins):
        return _WHOLE_WORD
    return int(bool(begins))


def _most_pairs(part: str, text: str) -> int:
    """Whether more than half of the neighbouring Chinese characters stand together in a text."""
    if not re.match(rf"[{_CHINESE}]", part):
        return 0
    pairs = [part[index : index + 2] for index in range(len(part) - 1)]
    return int(2 * sum(pair in text for pair in pairs) > len(pairs))
