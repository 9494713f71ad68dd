"""The console of an interview on another device, opened by an own link."""

from __future__ import annotations

from pages.ui.interview import by_link
from pages.ui.site import store


def draw(link: str) -> bool:
    """Draw the console; False where the link opens nothing."""
    interview = store.store().interviews.by_console(link)
    if interview is None:
        return False
    from pages.ui.interview import console  # with the lab's parts, which a lost link does not need

    console.on_another_device(interview)
    return True


by_link.page("console", draw)
