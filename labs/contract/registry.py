"""Finds the experiments: every `labs/qNN_slug/__init__.py` lists its own, and so do the labs of no question.

Imports no measurement and no figure; `python -m labs list` prints what is found.
"""

from __future__ import annotations

import difflib
import importlib
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from labs.contract.experiment import Experiment
from minimind_core.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
"""The project's folder."""
LANGUAGES = ("en", "zh")
APART = ("playground", "evidence")
"""The labs that belong to no question: a text written on, and the check of a claim."""


class Registry:
    """Experiments by id, in the order of the questions.

    >>> Registry.discover().find("q13").id
    'q13/next_token'
    """

    def __init__(self, modules: Iterable[str]) -> None:
        self.modules = tuple(modules)
        self._by_id: dict[str, Experiment] = {}
        for module in self.modules:
            for experiment in importlib.import_module(module).EXPERIMENTS:
                assert experiment.id not in self._by_id, f"two experiments are called {experiment.id}"
                self._by_id[experiment.id] = experiment

    @classmethod
    def discover(cls) -> Registry:
        """All labs of this project."""
        folders = [path.parent.name for path in sorted((ROOT / "labs").glob("q[0-9]*_*/__init__.py"))]
        return cls(f"labs.{folder}" for folder in [*folders, *APART])

    def __iter__(self) -> Iterator[Experiment]:
        return iter(self._by_id.values())

    def find(self, name: str) -> Experiment:
        """The experiment "q13/next_token", or for "q13" the primary one. Raises ConfigError."""
        if name in self._by_id:
            return self._by_id[name]
        primary = next((e for e in self._by_id.values() if e.question == name), None)
        if primary is not None:
            return primary
        names = [*self._by_id, *(e.question for e in self._by_id.values())]
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`python -m labs list` names them."
        raise ConfigError(f"There is no experiment {name!r}; {hint}")

    def of_question(self, question: str) -> list[Experiment]:
        """The experiments of "q13", the primary first; empty where the lab is still to come."""
        return [e for e in self._by_id.values() if e.question == question]

    def of_questions(self) -> list[Experiment]:
        """The experiments that a question stands behind: what is worth recording."""
        return [e for e in self._by_id.values() if e.question not in APART]

    def strings(self, language: str) -> dict[str, str]:
        """The words of all labs in "en" or "zh", by key."""
        return self._words(language)

    def errors(self, language: str) -> dict[str, str]:
        """What all labs say of bad input in a language, by key; English stands in their code."""
        return self._words(f"errors_{language}")

    def _words(self, name: str) -> dict[str, str]:
        words: dict[str, str] = {}
        for module in self.modules:
            folder = Path(importlib.import_module(module).__file__ or "").parent
            path = folder / f"{name}.toml"
            if path.is_file():
                words |= tomllib.loads(path.read_text(encoding="utf-8"))
        return words
