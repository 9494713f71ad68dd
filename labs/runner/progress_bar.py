"""The bar that a long command shows on standard error while it runs."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm import tqdm

from labs.runner.job import Job

_FORMAT = "{percentage:3.0f}% |{bar:20}| {elapsed} < {remaining}  {desc}"


class ProgressBar:
    """Shows how many of `total` steps are done, and how far the run of the current step is.

    Used in a `with` block, at whose end the bar disappears. Draws nothing unless `visible`.
    """

    def __init__(self, total: int, *, visible: bool) -> None:
        self._done = 0
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
        self._bar.set_description_str(f"{job.experiment_id} {job.text}", refresh=False)
        self._bar.update(self._done + job.progress - self._bar.n)

    def advance(self) -> None:
        """The current step is done."""
        self._done += 1
        self._bar.update(self._done - self._bar.n)

    def write(self, line: str) -> None:
        """Print a line on standard output, above the bar."""
        self._bar.write(line)
