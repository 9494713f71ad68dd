"""Blank boxes on the page: chosen one by one, kept in the address, judged only once they are revealed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import ButtonGroup

from labs.q05_shapes.outline import STEPS
from pages.ui.words.i18n import catalogue

NAME = "q05_xray_drawing"
Draw = Callable[..., AppTest]


@pytest.fixture
def panel() -> Draw:
    """The X-ray's panel without any run."""

    def script() -> None:
        import streamlit as st

        from pages.ui.lab import bench
        from pages.ui.words.i18n import language_switch

        st.session_state.setdefault("lang", "en")
        language_switch()
        bench.lab(["q05/xray"])

    def open_it(**query: str) -> AppTest:
        app = AppTest.from_function(script, default_timeout=20)
        app.query_params.update({f"q05_xray_{name}": value for name, value in query.items()})
        app.run()
        assert not app.exception
        return app

    return open_it


def row(app: AppTest, box: str) -> ButtonGroup:
    return app.button_group(key=f"{NAME}.{box}")


def choose(app: AppTest, box: str, shape: str | None) -> AppTest:
    row(app, box).set_value(shape).run()
    assert not app.exception
    return app


def reveal(app: AppTest) -> AppTest:
    app.toggle(key="q05_xray_reveal").set_value(True).run()
    assert not app.exception
    return app


def said(app: AppTest, box: str) -> str:
    """What a screen reader says of the row."""
    return row(app, box).proto.label


def why(app: AppTest) -> list[str]:
    """The sentences that say what is wrong with a box."""
    reasons = [words for key, words in catalogue("en").items() if key.startswith("q05.mistake.")]
    return [caption.value for caption in app.caption if caption.value in reasons]


def written(app: AppTest) -> list[str]:
    value = app.query_params.get(NAME, "")
    return [value] if isinstance(value, str) else list(value)


def test_a_choice_is_kept_in_the_address_and_can_be_taken_back(panel: Draw) -> None:
    app = panel()
    assert not any(row(app, step).value for step in STEPS)
    choose(app, "kv_linear", "[2, 5, 512]")
    assert written(app) == ["[?] [?] [2,5,512]"]
    choose(app, "embedding", "[2, 5, 512]")
    choose(app, "kv_linear", None)
    assert written(app) == ["[2,5,512]"]


def test_nothing_is_judged_before_it_is_revealed(panel: Draw) -> None:
    app = choose(panel(), "kv_linear", "[2, 5, 512]")
    choose(app, "scores", "[2, 8, 5, 5]")
    assert said(app, "kv_linear") == "3 k_proj, v_proj"
    assert not why(app)
    reveal(app)
    assert ["Keys and values have fewer heads" in reason for reason in why(app)] == [True]
    assert said(app, "kv_linear") == "3 k_proj, v_proj ✗ it is [2, 5, 128]"
    assert said(app, "scores").endswith("✓ right")
    assert said(app, "logits").endswith("[2, 5, 6400]")


def test_an_address_fills_boxes_in_also_with_what_is_not_offered(panel: Draw) -> None:
    app = reveal(panel(drawing="[2,5,512] [?] [9,9]"))
    assert "✓" in said(app, "embedding") and "`[9, 9]`" in row(app, "kv_linear").options
    assert said(app, "kv_linear").endswith("✗ it is [2, 5, 128]")


def test_other_settings_offer_other_shapes_and_keep_what_was_chosen(panel: Draw) -> None:
    app = choose(panel(), "scores", "[2, 8, 5, 5]")
    app.slider(key="q05_xray_batch").set_value(3).run()
    assert {"`[3, 8, 5, 5]`", "`[2, 8, 5, 5]`"} <= set(row(app, "scores").options)
    assert said(reveal(app), "scores").endswith("✗ it is [3, 8, 5, 5]")
