"""The factors of a question's own formulas, and what it means to have one too many or to lack it.

    [[symbols]]
    id = "keys-and-values"
    factor = 2
    predictions = ["cache-size"]
    much_en = "you counted keys and values twice"
    little_en = "keys and values are both kept"

`study/detective.py` explains a wrong number by them. Plain data; computes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from questions.entry import Entry, Localized, both, check_unique
from questions.values import finite


@dataclass(frozen=True)
class Symbol:
    """A factor above 1 of the predictions with the ids in `predictions`.

    `much` ends the sentence about an answer that has the factor too many, `little` about one that lacks it;
    None where nobody errs in that direction.
    """

    id: str
    factor: float
    predictions: tuple[str, ...]
    much: Localized | None
    little: Localized | None


def read_symbols(entry: Entry, numeric: Iterable[str]) -> tuple[Symbol, ...]:
    """Read `[[symbols]]`; `numeric` are the ids of the predictions that are numbers."""
    known, tables = tuple(numeric), entry.tables("symbols")
    symbols = tuple(_symbol(table, known) for table in tables)
    check_unique(zip(tables, (symbol.id for symbol in symbols), strict=True))
    return symbols


def _symbol(entry: Entry, known: tuple[str, ...]) -> Symbol:
    entry.only(("id", "factor", "predictions"), both("much", "little"))
    factor = finite(entry.data["factor"])
    if factor is None or factor <= 1:
        raise entry.fail("factor", f"must be a number above 1, not {entry.data['factor']!r}.")
    names = entry.data["predictions"]
    if not isinstance(names, list) or not names or any(name not in known for name in names):
        raise entry.fail("predictions", f"must list some of {', '.join(known)}, not {names!r}.")
    much, little = entry.localized_or_none("much"), entry.localized_or_none("little")
    if much is None and little is None:
        raise entry.fail("much", "or little must say what the factor means.")
    return Symbol(entry.slug(), factor, tuple(names), much, little)
