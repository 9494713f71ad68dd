"""The frame around every page: menu, device badge, language, whose work this is. Knows no page itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import streamlit as st

from pages.ui.site import search_field, shortcuts, visitor
from pages.ui.site.arrive import at_page
from pages.ui.site.device import device_badge
from pages.ui.site.document import announce_language
from pages.ui.site.login import draw_login_if_needed
from pages.ui.site.navigate import BARE, HOME, go_on_leaving
from pages.ui.words import errors
from pages.ui.words.i18n import language_switch, plain

Menu = Mapping[str, Sequence[st.Page]]
"""Pages by the heading of their section."""
_ICON = Path(__file__).with_name("icon.svg")


def run_app(menu: Callable[[], Menu], draw_profile: Callable[[], None]) -> None:
    """Draw the frame and, within it, the page that the address names.

    `menu` gives the pages, in the session's language; `draw_profile` draws whose work this is. It is called
    after the page, although it stands above it: the first page need not wait for the import of the store.
    A bare page stands alone: style.css hides the menu beside it.
    """
    errors.show_places(visitor.at_this_machine(st.context.headers))
    st.set_page_config(page_title="MiniMind Interview Lab", page_icon=str(_ICON), layout="centered")
    st.logo(_ICON, size="large")
    sections = menu()
    current = st.navigation(sections, expanded=True)  # first: what stands beside it is moved when it comes
    with st.container(
        key="topbar", horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        left = st.container()
        right = st.container(horizontal=True, width="content", vertical_alignment="center")
    bare = current.url_path in BARE
    with right:
        if not bare:
            search_field.small()
            shortcuts.draw()
        profile = st.container(width="content")
        language_switch()
    with left:
        if not bare:
            device_badge()
    announce_language()
    at_page(current.url_path or HOME)
    if current.url_path:
        st.set_page_config(page_title=plain("site.page", title=current.title))
    if bare:
        current.run()
        return
    if draw_login_if_needed():
        return
    pages = {page.url_path or HOME: page for section in sections.values() for page in section}
    go_on_leaving(current.url_path or HOME, pages)
    current.run()
    with profile:
        draw_profile()
