"""What a run of a page asks again and again, worked out once. Draws nothing and knows no store."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from pages.ui.streamlit_inside import memory_of_run

T = TypeVar("T")


def once(what: str, state: Hashable, make: Callable[[], T]) -> T:
    """What `make` gives for this `state`: called once in a run of the page, and again after another state."""
    memory = memory_of_run()
    if what not in memory or memory[what][0] != state:
        memory[what] = state, make()
    made: T = memory[what][1]
    return made
