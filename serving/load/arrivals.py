"""When requests are due: Poisson, evenly spaced, or as a file says. Seconds from the beginning, sorted."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from itertools import islice, takewhile
from pathlib import Path

from minimind_core.bounded import read_bounded
from minimind_core.errors import ConfigError

MOST_BYTES = 2**24
"""Of a trace file."""


def poisson(rate: float, seconds: float, seed: int) -> Iterable[float]:
    """Independent arrivals, `rate` a second on average: gaps are exponential."""
    source, now = random.Random(seed), 0.0
    while (now := now + source.expovariate(rate)) < seconds:
        yield now


def uniform(rate: float, seconds: float) -> Iterable[float]:
    """One after another, the same gap before each.

    >>> list(uniform(2.0, 1.6))
    [0.5, 1.0, 1.5]
    """
    return (number / rate for number in range(1, math.ceil(seconds * rate)))


def trace(path: Path) -> list[float]:
    """The seconds in a text file, one number a line; empty lines and `# remarks` are skipped.

    The first is moved to 0 and the order is mended, so that a log's own times will do. Raises ConfigError for
    a file that cannot be read or holds anything else, FileError for one that is none or is too large.
    """
    try:
        lines = read_bounded(path, MOST_BYTES).decode("utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigError(
            f"The trace {path} cannot be read ({error.strerror}): give a text file of seconds."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"The trace {path} is not UTF-8: save it so, one number a line.") from error
    times = [
        _number(path, index, line) for index, line in enumerate(lines, 1) if line.strip() and line[0] != "#"
    ]
    if not times:
        raise ConfigError(f"The trace {path} holds no number: write the seconds of arrivals, one a line.")
    return [time - min(times) for time in sorted(times)]


def bounded(times: Iterable[float], seconds: float, most: int) -> list[float]:
    """The first `most` of them that are due within so many seconds."""
    return list(islice(takewhile(lambda time: time < seconds, times), most))


def _number(path: Path, index: int, line: str) -> float:
    try:
        time = float(line)
    except ValueError:
        time = math.nan
    if not math.isfinite(time):
        raise ConfigError(f"{path}, line {index}: {line.strip()[:40]!r} is not a number of seconds.")
    return time
