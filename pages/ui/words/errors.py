"""What went wrong, in the reader's language.

An error says its English itself, as command lines print it. Other languages have it by the error's key:
what a lab refuses in the lab's own folder, all else in `strings/errors_zh.toml`. What has no key, or none
in that language, is said in English.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from labs.contract.registry import flatten
from pages.ui.experiments import registry
from pages.ui.words.i18n import catalogue, current_language

_STRINGS = Path(__file__).parent / "strings"


@cache
def sentences(language: str) -> dict[str, str]:
    """Every sentence of one language by the key of its error; none for English."""
    path = _STRINGS / f"errors_{language}.toml"
    common = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return registry().errors(language) | dict(flatten(common))


def said(error: str | Exception) -> str:
    """The sentence of an error, or of a `Sentence` that a run ended with, in the session's language."""
    return translated(error, current_language())


def translated(error: str | Exception, language: str) -> str:
    """The sentence of an error in `language`. A value called `label` is the key of a label.

    >>> from minimind_core.errors import Sentence
    >>> translated(Sentence("The disk is full.", "store.full", {"place": "D"}), "zh")
    '磁盘已满：请为 D 腾出一些空间，再试一次。'
    """
    template = sentences(language).get(getattr(error, "key", ""))
    if template is None:
        return str(error)
    values = dict(getattr(error, "values", {}))
    if "label" in values:
        values["label"] = catalogue(language).get(values["label"], values["label"])
    return template.format(**values)
