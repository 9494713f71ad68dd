"""A text field begins in the reader's language, changes with it, and keeps what was typed."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from labs.contract.fields import Text
from labs.contract.registry import LANGUAGES, Registry

OPENINGS = {
    "en": "The old cat sat down by the fire and fell asleep.",
    "zh": "小猫在火炉旁边坐下，不一会儿就睡着了。",
}


def draw() -> None:
    from pages.ui import experiments
    from pages.ui.lab import controls

    params = experiments.experiment("q05/causality").params
    controls.begin_in_the_own_language(params, "q05_causality")
    controls.control(params, "text", "q05_causality")


def test_the_text_follows_the_language_until_somebody_types(whole_errors: None) -> None:
    app = AppTest.from_function(draw, default_timeout=20)
    for language in ("en", "zh", "en"):
        app.session_state["lang"] = language
        app.run()
        assert not app.exception and app.text_input[0].value == OPENINGS[language]
    app.text_input[0].set_value("My own words.").run()
    app.session_state["lang"] = "zh"
    app.run()
    assert app.text_input[0].value == "My own words."


def test_a_run_that_ends_at_the_field_and_one_without_it_lose_no_opening(whole_errors: None) -> None:
    """A rerun ends a run at any element, and the next one may stand still for a measurement."""

    def interrupted() -> None:
        import streamlit as st

        from pages.ui import experiments
        from pages.ui.lab import controls

        params = experiments.experiment("q05/causality").params
        controls.begin_in_the_own_language(params, "q05_causality")
        if st.session_state["at"] == "end":
            spec = controls.spec_of(params, "text")
            controls._widget(spec, "Text", {"key": "q05_causality_text"}, 0)
            st.stop()
        if st.session_state["at"] == "drawn":
            controls.control(params, "text", "q05_causality")

    app = AppTest.from_function(interrupted, default_timeout=20)
    app.session_state["lang"] = "en"
    for at in ("end", "without", "drawn"):
        app.session_state["at"] = at
        app.run()
        assert not app.exception
    assert app.text_input[0].value == OPENINGS["en"]


def test_every_opening_is_one_that_its_field_takes_in_both_languages() -> None:
    named = {}
    for experiment in Registry.discover():
        for spec in experiment.params.specs():
            if isinstance(spec, Text) and spec.openings:
                named[f"{experiment.id} {spec.name}"] = list(spec.openings)
                for text in spec.openings.values():
                    spec.check(text)
    assert named and all(sorted(languages) == sorted(LANGUAGES) for languages in named.values()), named
