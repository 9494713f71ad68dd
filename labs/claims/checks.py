"""What a check of a claim is, and where the checks of a question are.

`labs/qNN_slug/claims.py` (NumPy at most) and `claims_core.py` (torch, the real core) list theirs in a
table `CHECKS` by claim id. A check takes nothing and returns what it computed, in the shape of the
claim's value, or a Finding. It computes: no constant of the answer stands in it. An exception is a
disagreement, except CannotCheck. The content never imports these; `verify.py` runs them.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from minimind_core.errors import MiniMindError
from questions import Question

_MODULES = ("claims", "claims_core")


@dataclass(frozen=True)
class Finding:
    """The answer of a check that judges by itself: whether the claim holds, and what was seen."""

    holds: bool
    measured: Any


class CannotCheck(MiniMindError):
    """This machine cannot tell; the message says why in one sentence."""


Check = Callable[[], Any]


def checks_of(slug: str) -> dict[str, Check]:
    """The checks of the question in `labs/<slug>/`, by claim id; none where the lab is still to come."""
    found: dict[str, Check] = {}
    for name in _MODULES:
        module = f"labs.{slug}.{name}"
        if _exists(module):
            table: Mapping[str, Check] = importlib.import_module(module).CHECKS
            assert not found.keys() & table.keys(), f"{module} repeats {found.keys() & table.keys()}"
            found.update(table)
    return found


def value_at(result: Any, path: str) -> Any:
    """The value at a dotted path of a result; in a list 1 is the first. Raises LookupError.

    >>> value_at({"view": {"kept": [3, 4]}}, "view.kept.2")
    4
    """
    for name in path.split("."):
        if isinstance(result, Mapping):
            result = result[name]
        elif name.isdecimal() and 1 <= int(name) <= len(result):
            result = result[int(name) - 1]
        else:
            raise LookupError(f"there is no {path}")
    return result


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the folder is missing
        return False


def given_whole(question: Question, name: str) -> int:
    """A whole number of the problem's own data."""
    value = question.given[name]
    assert isinstance(value, int)
    return value


def given_list(question: Question, name: str) -> list[Any]:
    """One of the problem's own lists, as written: Decimals are exact."""
    values = question.given[name]
    assert isinstance(values, tuple)
    return list(values)


def given_text(question: Question, name: str) -> str:
    """A text of the problem's own data."""
    value = question.given[name]
    assert isinstance(value, str)
    return value
