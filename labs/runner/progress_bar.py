"""The bar that a long command shows on standard error while it runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType

from tqdm import tqdm

from labs.contract.registry import words_of
from labs.runner.job import Job

_FORMAT = "{percentage:3.0f}% |{bar:20}| {elapsed} < {remaining}  {desc}"


class ProgressBar:
    """Shows how many of `total` steps are done, and how far the run of the current step is.

    Used in a `with` block, at whose end the bar disappears. Draws nothing unless `visible`. `strings` are the
    labs' words by full key (`Registry.strings`).
    """

    def __init__(self, total: int, strings: Mapping[str, str], *, visible: bool) -> None:
        self._done, self._strings = 0, strings
        self._bar = tqdm(
            total=total, file=sys.stderr, disable=not visible, leave=False, miniters=0, bar_format=_FORMAT
        )

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def watch(self, job: Job) -> None:
        """Show how far the job of the current step is, and what it does now."""
        key, values = job.doing
        words = words_of(job.experiment_id.partition("/")[0], self._strings)
        doing = words(f"progress.{key}", **values) if key else ""
        self._bar.set_description_str(f"{job.experiment_id} {doing}", refresh=False)
        self._bar.update(self._done + job.progress - self._bar.n)

    def advance(self) -> None:
        """The current step is done."""
        self._done += 1
        self._bar.update(self._done - self._bar.n)

    def write(self, line: str) -> None:
        """Print a line on standard output, above the bar."""
        self._bar.write(line)
