"""Work that cannot be interrupted, done aside, so that a cancel is heard meanwhile: an import, a build."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

POLL_SECONDS = 0.2
Result = TypeVar("Result")


def aside(work: Callable[[], Result], on_wait: Callable[[], object]) -> Result:
    """What `work` returns in a thread of its own; until then `on_wait` is called again and again.

    What `on_wait` raises leaves the work to itself: it ends in its own time. What `work` raises is raised.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        on_wait()
        thread.join(POLL_SECONDS)
    if errors:
        raise errors[0]
    return results[0]
