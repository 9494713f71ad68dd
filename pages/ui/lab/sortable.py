"""Steps in a row that can be put in another order: by dragging, or with the arrow keys.

Knows nothing of what the steps do. The order that is shown is the caller's; a new one is only told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import streamlit as st

from pages.ui.site.component import component
from pages.ui.words.i18n import plain

_steps = component(Path(__file__))


def sortable(
    label: str,
    names: Mapping[str, str],
    *,
    off: Collection[str] = (),
    key: str,
    on_order: Callable[[list[str]], None],
) -> None:
    """`names` of the steps by id, in their order; those in `off` are shown as doing nothing now.

    `on_order(ids)` is called with all ids when somebody has moved one.
    """

    def moved() -> None:
        ids = (st.session_state.get(key) or {}).get("order")
        if isinstance(ids, list) and sorted(map(str, ids)) == sorted(names):
            on_order(ids)

    words = {
        "label": label,
        "off": plain("sortable.off"),
        "help": plain("sortable.help"),
        "place": plain("sortable.place", step="{step}", place="{place}", count="{count}"),
    }
    _steps(
        key=key,
        on_order_change=moved,
        data={"words": words, "steps": [[step, name, step in off] for step, name in names.items()]},
    )
