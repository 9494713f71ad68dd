"""The candidate's window of an interview, opened by its link."""

from __future__ import annotations

from pages.ui.interview import by_link
from pages.ui.interview.window import Window


def draw(link: str) -> bool:
    """Draw what is released; False where the link opens nothing."""
    window = Window(link)
    shown = window.look()
    if shown is None:
        return False
    from pages.ui.interview import present  # with the lab's parts, which a lost link does not need

    present.draw(window, shown)
    return True


by_link.page("present", draw)
