"""Finds the labs and their experiments: a folder of `labs/` with words (`en.toml`) is a lab.

A lab's `__init__.py` lists the names of its experiments, and each is the file of that name. So what there is
is known without importing an experiment; its file is imported when somebody asks for it. Imports no torch and
no plotly; `python -m labs list` prints what is found.
"""

from __future__ import annotations

import difflib
import importlib
import re
import string
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from labs.contract.experiment import Experiment, Words
from labs.contract.filling import fill
from labs.contract.params import lab_of
from minimind_core.errors import ConfigError, shortened
from questions.text_file import TextFileError, read_text_file

ROOT = Path(__file__).resolve().parents[2]
"""The project's folder."""
LANGUAGES = ("en", "zh")


class WordsError(ConfigError):
    """A catalogue of words that cannot be used; the message names file, key and reason."""


class Registry:
    """Experiments by id. The labs of the questions come first, in the order of their numbers.

    >>> registry = Registry.discover()
    >>> "q13/next_token" in registry, registry.find("q13").id
    (True, 'q13/next_token')
    """

    def __init__(self, packages: Iterable[str]) -> None:
        self.packages = tuple(packages)
        self._package = {lab_of(f"{package}.words"): package for package in self.packages}
        assert len(self._package) == len(self.packages), f"two labs have one name: {self.packages}"

    @classmethod
    def discover(cls) -> Registry:
        """All labs of this project."""
        folders = [path.parent.name for path in (ROOT / "labs").glob("*/en.toml")]
        return cls(
            f"labs.{folder}" for folder in sorted(folders, key=lambda name: (not _of_question(name), name))
        )

    @property
    def labs(self) -> tuple[str, ...]:
        """The labs by name: "q13" of a question, or the folder of a lab of no question. Imports nothing."""
        return tuple(self._package)

    def names(self, lab: str) -> tuple[str, ...]:
        """What the experiments of a lab are called, the primary first; none of a lab that is still to come.

        Imports the lab's list and no experiment.
        """
        if lab not in self._package:
            return ()
        names: tuple[str, ...] = importlib.import_module(self._package[lab]).EXPERIMENTS
        return names

    def __contains__(self, experiment_id: object) -> bool:
        """Whether there is such an experiment. Imports none."""
        lab, _, name = str(experiment_id).partition("/")
        return name in self.names(lab)

    def __iter__(self) -> Iterator[Experiment[Any, Any]]:
        return (experiment for lab in self.labs for experiment in self.of_question(lab))

    def find(self, name: str) -> Experiment[Any, Any]:
        """The experiment "q13/next_token", or for "q13" the primary one. Raises ConfigError."""
        if name in self.labs:
            name = f"{name}/{self.names(name)[0]}"
        if name in self:
            lab, _, own = name.partition("/")
            return _experiment(self._package[lab], own)
        ids = [f"{lab}/{own}" for lab in self.labs for own in self.names(lab)]
        near = difflib.get_close_matches(name, [*ids, *self.labs], n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`python -m labs list` names them."
        raise ConfigError(f"There is no experiment {shortened(name)!r}; {hint}")

    def of_question(self, key: str) -> list[Experiment[Any, Any]]:
        """The experiments of "q13", the primary first; empty where the lab is still to come."""
        return [_experiment(self._package[key], name) for name in self.names(key)]

    def of_questions(self) -> list[Experiment[Any, Any]]:
        """The experiments that a question stands behind: what is worth recording."""
        return [experiment for experiment in self if _of_question(experiment.lab)]

    def strings(self, language: str) -> dict[str, str]:
        """The words of all labs in "en" or "zh" by full key, such as "q13.axis.kept"."""
        return {f"{lab}.{key}": text for lab in self.labs for key, text in self.words(lab, language).items()}

    def words(self, lab: str, name: str) -> dict[str, str]:
        """The words of one lab by their keys there, from its catalogue `name`: "en", "zh" or "errors_zh".

        What all labs share (`labs/en.toml`) is among them where the lab has none of its own. The errors are
        what labs say of bad input; their English stands in the code.
        """
        folder = Path(importlib.import_module(self._package[lab]).__file__ or "").parent
        return _shared(name) | read_words(folder / f"{name}.toml")


@cache
def _experiment(package: str, name: str) -> Experiment[Any, Any]:
    """The one experiment of a file. Raises TypeError for none, for several, and for a wrong part."""
    module = importlib.import_module(f"{package}.{name}")
    found = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Experiment) and kind.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"{module.__name__} is listed as an experiment, and has {len(found)} of them.")
    experiment: Experiment[Any, Any] = found[0]()
    return experiment


@cache
def _shared(name: str) -> dict[str, str]:
    return read_words(ROOT / "labs" / f"{name}.toml")


def words_of(lab: str, strings: Mapping[str, str]) -> Words:
    """The words of one lab out of all strings by full key."""

    def words(key: str, **values: Any) -> str:
        return fill(strings[f"{lab}.{key}"], values)

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
