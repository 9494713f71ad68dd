"""Why a number is off by just that factor: `4 × too much: you counted query heads where KV heads are stored`.

The ratio of a wrong number to the right one is matched, nearest in its logarithm, against the question's own
symbols and products of two of them, each once too often or once too rarely. The plainest product wins; where
two equally plain ones fit, neither is told. Shows nothing and knows no language.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from questions import Prediction, Question, Symbol
from questions.entry import Localized

AGAINST_FORMULA = 0.02
"""How far a typed number may be from one exactly that factor off: it is typed with two or three digits."""
_WIDEST = 0.1
"""The same against a measurement: by its tolerance, but a wider one would explain anything."""
_MOST_FACTORS = 2


@dataclass(frozen=True)
class Explanation:
    """By which factor above 1 a number is too large or too small, and the clauses that say why."""

    factor: float
    too_much: bool
    reasons: tuple[Localized, ...]


@dataclass(frozen=True)
class _Product:
    """The logarithm of a product of symbols, with the clause of each."""

    log: float
    reasons: tuple[Localized, ...]


def explain(
    question: Question, prediction: Prediction, answer: float, target: float, window: float
) -> Explanation | None:
    """Why a wrong answer is what it is, against the right number `target`; None where nothing plain fits.

    `window` is the share by which it may miss, such as AGAINST_FORMULA.
    """
    if not (0 < answer < math.inf and 0 < target < math.inf):
        return None
    ratio, width = math.log(answer) - math.log(target), math.log1p(window)
    symbols = [symbol for symbol in question.symbols if prediction.id in symbol.predictions]
    for size in range(1, _MOST_FACTORS + 1):
        fitting = [product for product in _products(symbols, size) if _fits(product, ratio, width)]
        if fitting:
            return _told(fitting[0]) if len(fitting) == 1 else None
    return None


def window_of(prediction: Prediction, measured: float) -> float:
    """How far an answer may lie from a measurement times a factor: by the tolerance, within reason."""
    tolerance = prediction.tolerance
    assert tolerance is not None, f"{prediction.id} is a number without a tolerance"
    match tolerance.kind:
        case "factor":
            share = tolerance.amount - 1
        case "relative":
            share = tolerance.amount
        case "absolute":
            share = tolerance.amount / abs(measured) if measured else math.inf
    return min(max(share, AGAINST_FORMULA), _WIDEST)


def _products(symbols: Sequence[Symbol], size: int) -> Iterator[_Product]:
    """All products of so many different symbols, each too often or too rarely."""
    for chosen in itertools.combinations(symbols, size):
        for parts in itertools.product(*map(_directions, chosen)):
            yield _Product(math.fsum(part.log for part in parts), _joined(parts))


def _directions(symbol: Symbol) -> list[_Product]:
    """The symbol once too often and once too rarely, as far as the question has words for it."""
    log = math.log(symbol.factor)
    told = ((log, symbol.much), (-log, symbol.little))
    return [_Product(value, (clause,)) for value, clause in told if clause is not None]


def _joined(parts: Iterable[_Product]) -> tuple[Localized, ...]:
    return tuple(reason for part in parts for reason in part.reasons)


def _fits(product: _Product, ratio: float, width: float) -> bool:
    """Whether it explains the ratio. Factors that nearly cancel out explain nothing."""
    return abs(product.log - ratio) <= width and abs(product.log) > 2 * width


def _told(product: _Product) -> Explanation:
    return Explanation(math.exp(abs(product.log)), product.log > 0, product.reasons)
