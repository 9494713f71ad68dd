"""What went wrong, in the reader's language.

An error says its English itself, as command lines print it. Other languages have it by the error's key:
what a lab refuses in the lab's own folder, all else in `strings/errors_zh.toml`. What has no key, or none
in that language, is said in English.

Somebody elsewhere reads no path of this machine and no address of its database.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

import streamlit as st

from labs.contract.registry import ROOT, read_words
from minimind_core.errors import LONGEST_SENTENCE, shortened
from pages.ui.words.catalogue import Catalogue
from pages.ui.words.i18n import catalogue, current_language, plain
from pages.ui.words.markdown import Markdown, filled, filled_plainly, sentence

_STRINGS = Path(__file__).parent / "strings"
_HERE = "errors.here"
_DATABASE = re.compile(
    r"\b(?:postgres\w*|sqlite|mysql|mariadb)(?:\+\w+)?://(?!USER@HOST/NAME|/PATH)[^\s'\"“”]*[^\s'\"“”.,:;)]",
    re.I,
)
_FOLDERS = re.compile(r"(?<![\w:/\\])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\"“”:]+[/\\])+(?=[^\s/\\])")
"""All of an absolute path but its last part."""


@cache
def sentences(language: str) -> Catalogue:
    """Every sentence of one language by the key of its error; none for English."""
    name = f"errors_{language}"
    return Catalogue(read_words(_STRINGS / f"{name}.toml"), name)


def show_places(here: bool) -> None:
    """Let errors of this session name paths and databases; only somebody at this machine is `here`."""
    st.session_state[_HERE] = here


def said(error: str | Exception) -> Markdown:
    """The sentence of an error, or of a `Sentence` that a run ended with, in the session's language."""
    language, here = current_language(), st.session_state.get(_HERE, False)
    values = _values(error, language)
    template = sentences(language).get(getattr(error, "key", ""))
    if template is not None:
        return filled(template, values if here else _placeless(values))
    english = str(error)
    if not here:
        english = _without_places(english, values)
        english = english[:1].upper() + english[1:]  # a path may have stood there
    return sentence(shortened(english, LONGEST_SENTENCE))


def translated(error: str | Exception, language: str) -> str:
    """The sentence of an error in `language`, as plain text. A value called `label` is the key of a label.

    >>> from minimind_core.errors import Sentence
    >>> translated(Sentence("The disk is full.", "store.full", {"place": "D"}), "zh")
    '磁盘已满：请为 D 腾出一些空间，再试一次。'
    """
    template = sentences(language).get(getattr(error, "key", ""))
    if template is None:
        return shortened(str(error), LONGEST_SENTENCE)
    return filled_plainly(template, _values(error, language))


def _values(error: str | Exception, language: str) -> dict[str, Any]:
    values = dict(getattr(error, "values", {}))
    if "label" in values:
        values["label"] = catalogue(language).get(values["label"], values["label"])
    return values


def _placeless(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values for somebody elsewhere: the database by that word, a path by its last part."""
    database = plain("error.database")
    return {
        name: database
        if name == "place"
        else _without_places(_last_part(value), {})
        if isinstance(value, str)
        else value
        for name, value in values.items()
    }


def _without_places(text: str, values: Mapping[str, Any]) -> str:
    """A text without the places among its values, and without what looks like a path or a database."""
    for name, value in _placeless(values).items():
        if isinstance(value, str):
            text = text.replace(str(values[name]), value)
    for folder in (ROOT, Path.home(), tempfile.gettempdir()):
        text = text.replace(f"{folder}{os.sep}", os.sep)
    return _FOLDERS.sub("", _DATABASE.sub(plain("error.database"), text))


def _last_part(value: str) -> str:
    """The name of the file that an absolute path leads to; any other text as it is."""
    path = PureWindowsPath(value) if re.match(r"[A-Za-z]:[\\/]", value) else PurePath(value)
    return path.name if path.is_absolute() or value.startswith("~") else value
