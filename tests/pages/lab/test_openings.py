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


def test_every_opening_is_one_that_its_field_takes_in_both_languages() -> None:
    named = {}
    for experiment in Registry.discover():
        for spec in experiment.params.specs():
            if isinstance(spec, Text) and spec.openings:
                named[f"{experiment.id} {spec.name}"] = list(spec.openings)
                for text in spec.openings.values():
                    spec.check(text)
    assert named and all(sorted(languages) == sorted(LANGUAGES) for languages in named.values()), named
