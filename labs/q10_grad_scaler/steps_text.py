"""Reads a list of steps as people write it: "12, 30-35". Torch-free."""

from __future__ import annotations

import re

from labs.contract.fields import ParamError

LONGEST = 20_000
_PART = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


def read_steps(written: str) -> frozenset[int]:
    """The steps named in `written`, the first of which is 1. Raises ParamError with one sentence.

    >>> sorted(read_steps("12, 3-5"))
    [3, 4, 5, 12]
    """
    steps: set[int] = set()
    ranges = re.sub(r"\s*[-–]\s*", "-", written)
    for part in filter(None, re.split(r"[\s,，;；、]+", ranges)):
        found = _PART.fullmatch(part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= first <= last <= LONGEST:
            sentence = f"Write overflowing steps as in 12, 30-35; not {part!r}."
            raise ParamError("together", "overflows", sentence, key="q10.overflows", given=part)
        steps.update(range(first, last + 1))
    return frozenset(steps)
