"""Opens the app's pages by their addresses. `AppTest.switch_page` takes page files only.

It refuses a page without a file rather than guess its address (Streamlit issue 16611); here the address is
looked up among the pages that the app's last run gave to `st.navigation`. Imports no page.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from questions import load_questions

ADDRESSES = (
    *("", "playground", "mock", "interview", "present", "console", "panel", "progress", "deck"),
    *("guide", "claims", "glossary", "search", "sheet", "settings"),
    *(question.slug for question in load_questions()),
)
"""Of every page there is."""
WINDOWS = ("present", "console", "panel")
"""Those that a link opens and no menu names, beside "interview"."""
APP = Path(__file__).resolve().parents[2] / "app.py"


def keep_pages_router_off(patch: pytest.MonkeyPatch) -> None:
    """Run pages as our server does. AppTest begins each run as a fresh server that routes `pages/` itself."""
    begin = PagesManager.__init__

    def begin_outside(self: PagesManager, *args, **kwargs) -> None:
        begin(self, *args, **kwargs)
        PagesManager.uses_pages_directory = False

    patch.setattr(PagesManager, "__init__", begin_outside)


def addresses(app: AppTest) -> list[str]:
    """The addresses of all pages that the app's last run had in its menu; home is ""."""
    return [page["url_pathname"] for page in app._registered_pages.values()]


def visit(app: AppTest, address: str) -> AppTest:
    """Run the page at this address, such as "q06_gqa", in the same session."""
    hashes = {page["url_pathname"]: page_hash for page_hash, page in app._registered_pages.items()}
    app._page_hash = hashes[address]
    return app.run()
