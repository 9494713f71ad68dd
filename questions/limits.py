"""Which numbers a prediction can take: whole ones, at least so much, at most so much.

A probability ends at 1, a count is whole, a ratio is above 0. What lies outside is refused before it is
committed; the words for it are the page's. Knows no question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from questions.entry import Entry
from questions.values import finite

LIMIT_KEYS = ("whole", "minimum", "above", "maximum")
Refusal = Literal["whole", "range"]


@dataclass(frozen=True)
class Limits:
    """`minimum` and `maximum` may be reached themselves, `above` may not; None where there is no end.

    >>> Limits(minimum=0, maximum=1).refusal(1.2), Limits(whole=True).refusal(2.5), Limits(above=0).refusal(3)
    ('range', 'whole', None)
    """

    whole: bool = False
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None

    @property
    def positive(self) -> bool:
        """Whether every number within is above 0, so that it has a logarithm."""
        return any(low is not None and low >= edge for low, edge in ((self.above, 0), (self.minimum, 1e-300)))

    def refusal(self, number: float) -> Refusal | None:
        """Why a finite number is impossible; None where it is not."""
        if self.minimum is not None and number < self.minimum:
            return "range"
        if self.above is not None and number <= self.above:
            return "range"
        if self.maximum is not None and number > self.maximum:
            return "range"
        return "whole" if self.whole and number != int(number) else None


def read_limits(entry: Entry) -> Limits:
    """Read `whole`, `minimum` or `above`, and `maximum`; each may be missing."""
    whole = entry.data.get("whole", False)
    if not isinstance(whole, bool):
        raise entry.fail("whole", f"must be true or false, not {whole!r}.")
    minimum, above, maximum = (_limit(entry, key) for key in LIMIT_KEYS[1:])
    if minimum is not None and above is not None:
        raise entry.fail("above", "stands instead of minimum, not beside it.")
    lowest = minimum if above is None else above
    if lowest is not None and maximum is not None and lowest >= maximum:
        raise entry.fail("maximum", f"must be larger than {lowest:g}, not {maximum:g}.")
    return Limits(whole, minimum, above, maximum)


def _limit(entry: Entry, key: str) -> float | None:
    if key not in entry.data:
        return None
    number = finite(entry.data[key])
    if number is None:
        raise entry.fail(key, f"must be a number, not {entry.data[key]!r}.")
    return number
