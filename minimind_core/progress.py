"""How far something long has come: what its functions report, and how a command shows it. No torch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

OnProgress = Callable[[int, int], None]
"""Is given how much is done and how much there is to do, in one unit."""


def unheard(done: int, total: int) -> None:
    """An `OnProgress` for nobody."""


@contextlib.contextmanager
def progress_bar(what: str, unit: str, silent: bool) -> Iterator[OnProgress]:
    """A bar on standard error while `what` is done, moved by on_progress(done, total) in `unit`.

    Nothing is drawn where it is `silent` or standard error is no terminal.
    """
    from tqdm import tqdm

    disable = True if silent else None  # None: wherever there is no terminal
    with tqdm(desc=what, unit=unit, unit_scale=True, disable=disable) as bar:

        def on_progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield on_progress
