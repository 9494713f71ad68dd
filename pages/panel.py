"""The page of a panel's member, opened by an own link."""

from __future__ import annotations

from pages.ui.interview import by_link
from pages.ui.site import store


def draw(link: str) -> bool:
    """Draw the member's page; False where the link opens nothing."""
    found = store.store().panels.linked(link)
    if found is None:
        return False
    from pages.ui.interview import panel_member  # with the rubric's parts, which a lost link does not need

    panel_member.draw(*found)
    return True


by_link.page("panel", draw)
