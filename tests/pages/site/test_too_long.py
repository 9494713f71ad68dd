"""Every field that can be full says so: Streamlit's own leaves a longer paste out without a word."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import OpenApp, settle_predictions

PAGES = Path(__file__).resolve().parents[3] / "pages"
BY_CONTROLS = {"own_file.py"}
"""Its box is watched where all controls of a lab are (`controls.py`)."""


def unwatched(app: AppTest) -> list[str]:
    """The keys of fields with a limit that no sentence watches."""
    given = [each.proto for each in app.get("bidi_component") if each.proto.component_name == "too_long"]
    watched = {json.loads(each.json)["field"]: json.loads(each.json)["most"] for each in given}
    limited = [field for field in (*app.text_input, *app.text_area) if field.proto.max_chars]
    assert limited
    classes = {f"st-key-{re.sub(r'[^a-zA-Z0-9_-]', '-', field.key or '')}": field for field in limited}
    return [name for name, field in classes.items() if watched.get(name) != field.proto.max_chars]


@pytest.mark.parametrize("address", ["mock", "interview", "settings", "q06_gqa", "q13_sampling"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_field_with_a_limit_is_watched(open_app: OpenApp, address: str, lang: str) -> None:
    assert not unwatched(open_app(address, lang=lang))


def test_so_are_the_fields_of_a_range_and_of_a_lab(open_app: OpenApp) -> None:
    app = open_app("q06_gqa")
    app.toggle(key=next(each.key for each in app.toggle if (each.key or "").endswith(".range"))).set_value(
        True
    ).run()
    assert len([each for each in app.text_input if each.proto.max_chars]) >= 3 and not unwatched(app)
    settle_predictions("q05_shapes")
    assert not unwatched(open_app("q05_shapes"))


def test_no_limit_is_set_where_nothing_watches() -> None:
    """Also for what no test opens, such as who joins a panel."""
    for path in PAGES.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "max_chars=" not in text or "too_long.guard(" in text or path.name in BY_CONTROLS, path
