"""Step times as straight lines in the batch, fitted or taken from the problem, and what follows by hand.

All follow alpha + beta * rows, in milliseconds. Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from questions import load_question

QUESTION = load_question("q14_serving")
SECOND = 1000
TAIL = 1.65
"""Standard deviations of the number of rows at which about one instant in twenty has more."""
LEAST_FREE = 0.001
"""Share of the time that is left for decoding in a formula; with less all is overloaded alike."""


def given(name: str) -> float:
    """One of the problem's own numbers."""
    value = QUESTION.given[name]
    assert isinstance(value, int | Decimal)
    return float(value)


def given_list(name: str) -> np.ndarray:
    """One of the problem's own lists."""
    values = QUESTION.given[name]
    assert isinstance(values, tuple)
    return np.array([float(value) for value in values])  # type: ignore[arg-type]


@dataclass(frozen=True)
class Line:
    """alpha + beta * rows, and the share of the variance that it explains (1 for an exact line)."""

    alpha: float
    beta: float
    r2: float = 1.0

    def step(self, rows: float) -> float:
        """Milliseconds of a step."""
        return self.alpha + self.beta * rows

    def requests_per_second(self, rows: float, tokens: float, prefill: float = 0.0) -> float:
        """Of one replica whose batch has so many rows all the time, each wanting so many tokens.

        Before each request all rows wait `prefill` milliseconds for its prompt.
        """
        return SECOND * rows / (tokens * self.step(rows) + rows * prefill)

    def beside(self, prompts: float) -> Line:
        """The steps of a replica that reads prompts for that share of its time, and decodes in the rest.

        >>> Line(6.0, 0.2).beside(0.5)
        Line(alpha=12.0, beta=0.4, r2=1.0)
        """
        free = max(1 - prompts, LEAST_FREE)
        return Line(self.alpha / free, self.beta / free, self.r2)


def fit(rows: Sequence[float], steps: Sequence[float]) -> Line:
    """The least-squares line with neither coefficient below zero.

    >>> fit([1, 2, 3], [3.0, 5.0, 7.0])
    Line(alpha=1.0, beta=2.0, r2=1.0)
    """
    x, y = np.asarray(rows, float), np.asarray(steps, float)
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    level = float(y.mean() - slope * x.mean())
    if slope < 0:
        slope, level = 0.0, float(y.mean())
    elif level < 0:
        slope, level = float((x * y).sum() / (x * x).sum()), 0.0
    residual, total = ((y - level - slope * x) ** 2).sum(), ((y - y.mean()) ** 2).sum()
    return Line(level, slope, float(1 - residual / total) if total else 1.0)


def table_line() -> Line:
    """The line through the problem's table: what its throughputs imply for a step."""
    batches = given_list("table_batches")
    return fit(batches.tolist(), (SECOND * batches / given_list("table_rates") / given("tokens")).tolist())


def rows_of(line: Line, rate: float, tokens: float, replicas: int) -> float:
    """Mean rows of each replica's batch; infinite where no step ever catches up.

    A replica owes s = rate * tokens / replicas tokens a millisecond, and rows = s * (alpha + beta * rows).
    """
    share = rate * tokens / replicas / SECOND
    return math.inf if share * line.beta >= 1 else share * line.alpha / (1 - share * line.beta)


def latency_of(line: Line, rows: float, tokens: float) -> float:
    """Milliseconds of a request among so many rows; a lone request is a row, too."""
    return tokens * line.step(max(rows, 1.0))


def tail_of(line: Line, rows: float, tokens: float) -> float:
    """The same with as many more rows as one instant in twenty has: roughly P95."""
    return latency_of(line, rows + TAIL * math.sqrt(rows), tokens)
