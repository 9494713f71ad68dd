"""`python -m labs new q15_slug`: a new question with a lab of one experiment, which passes every shared test.

The files in `question/` and `lab/` are what is written; `$number`, `$key` and `$slug` in them are filled.
They count tokens, a real measurement on the real model, and are meant to be overwritten line by line.
"""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from minimind_core.atomic_file import write_whole
from minimind_core.bounded import cannot_write
from minimind_core.errors import ConfigError, shortened

_HERE = Path(__file__).parent
_SUFFIX = ".template"
"""Keeps linters and tests from reading an unfilled file as a program."""


def create(slug: str, root: Path) -> list[Path]:
    """Write the files of the question `slug`, such as "q15_beam_search", below the project's folder `root`.

    Returns them in reading order. Raises ConfigError for a name that is no slug, or that is
    taken, FileError where nothing can be written.
    """
    match = re.fullmatch(r"q(0[1-9]|[1-9][0-9])_[a-z][a-z0-9_]{0,59}", slug)
    if match is None:
        raise ConfigError(f"{shortened(slug, 80)!r} is no name for a question; it is like q15_beam_search.")
    key = f"q{match[1]}"
    taken = [path.name for part in ("questions", "labs") for path in (root / part).glob(f"{key}_*")]
    if taken:
        raise ConfigError(f"{key} is taken by {taken[0]}; choose another number.")
    values = {"number": str(int(match[1])), "key": key, "slug": slug}
    written = []
    for kind, place in (("question", root / "questions" / slug), ("lab", root / "labs" / slug)):
        for source in sorted((_HERE / kind).iterdir()):
            path = place / source.name.removesuffix(_SUFFIX)
            try:
                write_whole(path, Template(source.read_text(encoding="utf-8")).substitute(values))
            except OSError as error:
                raise cannot_write(path, error) from error
            written.append(path)
    return written
