"""Finds the labs and their experiments: a folder of `labs/` with words (`en.toml`) is a lab.

Imports no torch and no plotly; `python -m labs list` prints what is found.
"""

from __future__ import annotations

import difflib
import importlib
import re
import string
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from labs.contract.experiment import Experiment, Words
from labs.contract.params import lab_of
from minimind_core.errors import ConfigError, shortened
from questions.text_file import TextFileError, read_text_file

ROOT = Path(__file__).resolve().parents[2]
"""The project's folder."""
LANGUAGES = ("en", "zh")


class WordsError(ConfigError):
    """A catalogue of words that cannot be used; the message names file, key and reason."""


class Registry:
    """Experiments by id, those of the questions first, in the order of their numbers.

    >>> Registry.discover().find("q13").id
    'q13/next_token'
    """

    def __init__(self, packages: Iterable[str]) -> None:
        self.packages = tuple(packages)
        self._by_id: dict[str, Experiment[Any, Any]] = {}
        self._by_lab: dict[str, list[Experiment[Any, Any]]] = {}  # a page asks for one lab many times
        for package in self.packages:
            for experiment in importlib.import_module(package).EXPERIMENTS:
                assert experiment.id not in self._by_id, f"two experiments are called {experiment.id}"
                self._by_id[experiment.id] = experiment
                self._by_lab.setdefault(experiment.lab, []).append(experiment)

    @classmethod
    def discover(cls) -> Registry:
        """All labs of this project."""
        folders = [path.parent.name for path in (ROOT / "labs").glob("*/en.toml")]
        return cls(
            f"labs.{folder}" for folder in sorted(folders, key=lambda name: (not _of_question(name), name))
        )

    def __iter__(self) -> Iterator[Experiment[Any, Any]]:
        return iter(self._by_id.values())

    def __contains__(self, name: object) -> bool:
        return name in self._by_id

    def find(self, name: str) -> Experiment[Any, Any]:
        """The experiment "q13/next_token", or for "q13" the primary one. Raises ConfigError."""
        if name in self._by_id:
            return self._by_id[name]
        primary = next((experiment for experiment in self if experiment.lab == name), None)
        if primary is not None:
            return primary
        names = [*self._by_id, *(experiment.lab for experiment in self)]
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`python -m labs list` names them."
        raise ConfigError(f"There is no experiment {shortened(name)!r}; {hint}")

    def of_question(self, key: str) -> list[Experiment[Any, Any]]:
        """The experiments of "q13", the primary first; empty where the lab is still to come."""
        return list(self._by_lab.get(key, ()))

    def of_questions(self) -> list[Experiment[Any, Any]]:
        """The experiments that a question stands behind: what is worth recording."""
        return [experiment for experiment in self if _of_question(experiment.lab)]

    def strings(self, language: str) -> dict[str, str]:
        """The words of all labs in "en" or "zh" by full key, such as "q13.axis.kept".

        Under every lab stand its own words and those that all labs share (`labs/en.toml`) where it has none.
        """
        return self._strings(language)

    def errors(self, language: str) -> dict[str, str]:
        """What all labs say of bad input in a language, by key; English stands in their code."""
        return self._strings(f"errors_{language}")

    def _strings(self, name: str) -> dict[str, str]:
        shared = read_words(ROOT / "labs" / f"{name}.toml")
        strings: dict[str, str] = {}
        for package in self.packages:
            folder = Path(importlib.import_module(package).__file__ or "").parent
            lab, words = lab_of(f"{package}.words"), shared | read_words(folder / f"{name}.toml")
            strings |= {f"{lab}.{key}": text for key, text in words.items()}
        return strings


def words_of(lab: str, strings: Mapping[str, str]) -> Words:
    """The words of one lab out of all strings by full key."""

    def words(key: str, **values: Any) -> str:
        return strings[f"{lab}.{key}"].format(**values)

    return words


def flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The texts of nested TOML tables by dotted key; an empty key names its table."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield (prefix + name).removesuffix("."), value


def read_words(path: Path) -> dict[str, str]:
    """The texts of a catalogue by dotted key; none where there is no file.

    Raises WordsError with one sentence that names the file and the key or line.
    """
    if not path.exists():
        return {}
    try:
        texts = dict(flatten(tomllib.loads(read_text_file(path))))
    except TextFileError as error:
        raise WordsError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise WordsError(f"{path}: cannot be read: {error}") from error
    for key, text in texts.items():
        if not isinstance(text, str):
            raise WordsError(f"{path}: {key}: must be a text, not {text!r}.")
        try:
            names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
        except ValueError as error:
            raise WordsError(f"{path}: {key}: is no template ({error}); write {{{{ for a brace.") from error
        if not all(name.isidentifier() for name in names):
            raise WordsError(
                f"{path}: {key}: name what is filled in, as in {{name}}; write {{{{ for a brace."
            )
    return texts


def _of_question(name: str) -> bool:
    return re.match(r"q\d", name) is not None
