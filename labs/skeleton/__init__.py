"""`python -m labs new q15_slug`: a new question with a lab of one experiment, which passes every shared test.

The files in `question/` and `lab/` are what is written; `$number`, `$key` and `$slug` in them are filled.
They count tokens, a real measurement on the real model, and are meant to be overwritten line by line.
"""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from minimind_core.errors import ConfigError

_HERE = Path(__file__).parent
_SUFFIX = ".template"
"""Keeps linters and tests from reading an unfilled file as a program."""


def create(slug: str, root: Path) -> list[Path]:
    """Write the files of the question `slug`, such as "q15_beam_search", below the project's folder `root`.

    Returns them in reading order. Raises ConfigError for a name that is no slug, or that is taken.
    """
    match = re.fullmatch(r"q(\d\d)_[a-z][a-z0-9_]*", slug)
    if match is None:
        raise ConfigError(f"{slug!r} is no name for a question; it is like q15_beam_search.")
    key = f"q{match[1]}"
    taken = [path.name for part in ("questions", "labs") for path in (root / part).glob(f"{key}_*")]
    if taken:
        raise ConfigError(f"{key} is taken by {taken[0]}; choose another number.")
    values = {"number": str(int(match[1])), "key": key, "slug": slug}
    written = []
    for kind, place in (("question", root / "questions" / slug), ("lab", root / "labs" / slug)):
        place.mkdir(parents=True)
        for source in sorted((_HERE / kind).iterdir()):
            path = place / source.name.removesuffix(_SUFFIX)
            path.write_text(Template(source.read_text(encoding="utf-8")).substitute(values), encoding="utf-8")
            written.append(path)
    return written
