"""Words from outside inside our Markdown: shown as they are, never as Markdown, and never at any length.

Names, addresses, files, tensors, measurements of an import: whatever is filled into a sentence is somebody
else's unless it is a number or marked as `Markdown`, which is ours. So a forgotten mark shows a sign too
many, and an escape cannot be forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from labs.contract.filling import readable
from minimind_core.errors import shortened
from questions.counted import fill_counted


class Markdown(str):
    """Markdown of our own, such as a filled template or ":blue[**4×**]": it goes into a sentence as it is."""


_STEERING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_BLANK = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_HALF = re.compile("[\ud800-\udfff]")
_SIGNS = re.compile(r"[\\`*\[\]<~$|]|(?<![^\W_])_|_(?![^\W_])|:(?=[\w:])|&(?=[\w#])|^[#>=+-]")
"""What Markdown gives a meaning to: anywhere, before a name, and at the start of a line."""
_ITEM = re.compile(r"^(\d+)([.)])(?=\s|$)")
"""What would begin a list."""
_FOUND_LATER = re.compile(
    r"(?<=http)(?=://)|(?<=https)(?=://)|(?<=(?<![^\W_])www)(?=\.)|(?<=[\w.+-])(?=@[\w-]+\.[\w-])|(?<=:)(?=[\w+-]+:|material/)"
    r"|(?<=(?<!\S)[-<>])(?=[-=>]+(?!\S))",
    re.IGNORECASE,
)
"""Where Streamlit, once the escapes are gone, sees an address, an :emoji:, an icon or an arrow."""
_ICON = re.compile(r"(?<=:)(?=material/)")
_CODE = re.compile(r"`([^`]+)`")


def cleaned(text: str) -> str:
    """`text` on one line, without what steers: control characters, text direction, half characters.

    >>> cleaned("a\\n\\x00b\\u202ec")
    'a bc'
    """
    return _HALF.sub("\N{REPLACEMENT CHARACTER}", _STEERING.sub("", _BLANK.sub(" ", text)))


def literal(text: str) -> Markdown:
    """Markdown that shows `text` as it is, on one line and shortened, such as a name that somebody typed.

    >>> literal("![a](//b.example) 3.5")
    '!\\\\[a\\\\](//b.example) 3.5'
    """
    return _escaped(shortened(cleaned(text)).strip())


def code(text: object) -> Markdown:
    """Markdown that shows `text` as code, such as the path of a folder.

    >>> code("a`b")
    '`` a`b ``'
    """
    line = _ICON.sub("\N{WORD JOINER}", cleaned(str(text)).strip()) or "\N{NO-BREAK SPACE}"
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if "`" in line else ""
    return Markdown(f"{fence}{space}{line}{space}{fence}")


def filled(template: str, values: Mapping[str, Any]) -> Markdown:
    """A template of ours with `{name}` filled: numbers and Markdown as they are, all else literally."""
    return Markdown(fill_counted(template, _Values(values, _in_markdown)))


def filled_plainly(template: str, values: Mapping[str, Any]) -> str:
    """The same for what is not drawn as Markdown: choices of a menu, words for a script, an error's text."""
    return fill_counted(template, _Values(values, _in_text))


class _Values(dict[str, Any]):
    """Values that are made harmless when a template asks for them: a lab hands over whole results."""

    def __init__(self, values: Mapping[str, Any], harmless: Callable[[Any], str]) -> None:
        super().__init__(values)
        self._harmless = harmless

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        return readable(value) if isinstance(value, int | float) else self._harmless(value)


def _in_markdown(value: Any) -> str:
    if isinstance(value, Filled):
        return value.markdown
    return value if isinstance(value, Markdown) else literal(str(value))


def _in_text(value: Any) -> str:
    return value if isinstance(value, Filled) else shortened(cleaned(str(value)))


class Filled(str):
    """A filled template as plain text, which knows how it reads as Markdown: a lab's words go to both."""

    template: str
    values: Mapping[str, Any]

    def __new__(cls, template: str, values: Mapping[str, Any]) -> Filled:
        """Fill `template`; a value may itself be `Filled`."""
        text = super().__new__(cls, filled_plainly(template, values))
        text.template, text.values = template, values
        return text

    @property
    def markdown(self) -> Markdown:
        """The template's own signs act, those of its values do not."""
        return filled(self.template, self.values)


def markdown_of(text: str) -> Markdown:
    """The Markdown of a lab's text; one that is not a filled template is shown as it is."""
    return text.markdown if isinstance(text, Filled) else sentence(text)


def sentence(text: str) -> Markdown:
    """An English sentence with its values in it already: only what stands in backticks keeps a meaning."""
    parts = _CODE.split(cleaned(text).lstrip())
    return Markdown("".join(code(part) if index % 2 else _escaped(part) for index, part in enumerate(parts)))


def _escaped(line: str) -> Markdown:
    parted = _FOUND_LATER.sub("\N{WORD JOINER}", line)
    return Markdown(_ITEM.sub(r"\1\\\2", _SIGNS.sub(r"\\\g<0>", parted)))
