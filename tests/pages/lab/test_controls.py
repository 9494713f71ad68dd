"""An address can ask for anything: controls show what fits and say what did not; the page stays whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from labs.contract import Experiment, ParamError
from labs.contract.fields import Text
from labs.contract.registry import Registry
from labs.contract.shapes import Shapes
from labs.q01_loss_mask.batch import TEXTS

NAMES = (
    "q06/decode",
    "q05/xray",
    "q07/spectrum",
    "q10/scaler",
    "q13/next_token",
    "q13/continuation",
    "playground/continuation",
)
ODD = (
    "inf",
    "-inf",
    "nan",
    "1e400",
    "-1e400",
    "9" * 5000,
    "1e308",
    "",
    " ",
    "--1",
    "0x10",
    "![a](//evil.example)",
)


def fields_of(name: str) -> list[str]:
    return [spec.name for spec in Registry.discover().find(name).params.specs()]


def draw(names: tuple[str, ...]) -> None:
    import streamlit as st

    from pages.ui import experiments
    from pages.ui.lab import controls

    st.session_state.setdefault("lang", "en")
    for name in names:
        params = experiments.experiment(name).params
        for spec in params.specs():
            controls.control(params, spec.name, name.replace("/", "_"))
        params.from_dict(controls.values(params, name.replace("/", "_")))


def open_at(query: dict[str, str], *names: str) -> AppTest:
    """The controls of these experiments, under an address that asks for `query` in each of them."""
    app = AppTest.from_function(draw, args=(names,), default_timeout=20)
    asked = {
        (name, field): value for name in names for field, value in query.items() if field in fields_of(name)
    }
    app.query_params.update(
        {f"{name.replace('/', '_')}_{field}": value for (name, field), value in asked.items()}
    )
    app.run()
    assert not app.exception, [error.message for error in app.exception]
    return app


@pytest.mark.parametrize("asked", ODD, ids=lambda asked: repr(asked[:10]))
def test_no_field_breaks_the_page(asked: str, whole_errors: None) -> None:
    app = open_at({field: asked for name in NAMES for field in fields_of(name)}, *NAMES)
    app.run()
    assert not app.exception
    assert all("![a](" not in word.value and len(word.value) < 300 for word in app.caption)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(NAMES), st.data())
def test_any_address_gives_usable_settings(whole_errors: None, name: str, data: st.DataObject) -> None:
    values = st.one_of(
        st.sampled_from(ODD), st.floats().map(str), st.integers().map(str), st.text(max_size=9)
    )
    fields = st.sampled_from(fields_of(name))
    asked = data.draw(
        st.dictionaries(fields, values.map(lambda text: text.encode(errors="replace").decode()))
    )
    open_at(asked, name)


def test_what_was_moved_is_said_as_it_was_asked_for(whole_errors: None) -> None:
    app = open_at({"seed": "inf", "temperature": "![a](//evil.example/q.png)"}, "q13/continuation")
    assert {word.value for word in app.caption} == {
        r"Temperature: the address asks for !\[a\](//evil.example/q.png), which is not possible here; 0.8 is "
        "used.",
        "Seed: the address asks for inf, which is not possible here; 0 is used.",
    }
    assert app.number_input(key="q13_continuation_seed").value == 0
    assert "q13_continuation_seed" not in app.query_params


def test_a_number_beyond_its_limits_stays_in_its_box_and_what_is_used_is_said(whole_errors: None) -> None:
    app = open_at({}, "q13/continuation")
    app.number_input(key="q13_continuation_top_k").set_value(99_999).run()
    assert not app.exception
    assert app.number_input(key="q13_continuation_top_k").value == 99_999
    assert [word.value for word in app.caption if "is used" in word.value] == [
        "Top-k (0 = off) lies between 0 and 6,400; 6,400 is used."
    ]


def test_a_small_step_shows_its_decimals(whole_errors: None) -> None:
    share = open_at({}, "q13/next_token").slider(key="q13_next_token_top_p")
    assert share.proto.format == "%.2f"


def test_a_word_out_of_an_address_is_said_as_the_page_calls_it(whole_errors: None) -> None:
    app = open_at({"order": "xx"}, "q13/next_token")
    (said,) = [word.value for word in app.caption]
    assert "temperature,top_k" not in said and "temperature, top-k" in said


def test_a_character_that_arrived_broken_has_a_word(whole_errors: None) -> None:
    app = open_at({"prompt": "a � b"}, "q13/continuation")
    assert "Where � stands, a character arrived broken: write it again." in [
        word.value for word in app.caption
    ]


def typed_in(experiment: Experiment) -> list[Text]:
    """Its fields that somebody types or pastes into."""
    specs = experiment.params.specs()
    return [spec for spec in specs if isinstance(spec, Text) and not isinstance(spec, Shapes)]


WITH_TEXT = list(filter(typed_in, Registry.discover()))


@pytest.mark.parametrize("experiment", WITH_TEXT, ids=lambda experiment: experiment.id)
def test_what_is_too_long_is_refused_in_words(experiment: Experiment, whole_errors: None) -> None:
    """Streamlit's own field leaves a paste out that is longer, and says nothing: a sentence watches it."""
    app = open_at({}, experiment.id)
    given = [each.proto for each in app.get("bidi_component") if each.proto.component_name == "too_long"]
    watched = {data["field"]: data for data in (json.loads(each.json) for each in given)}
    for spec in typed_in(experiment):
        data = watched[f"st-key-{experiment.id.replace('/', '_')}_{spec.name}"]
        assert data["most"] == spec.max_length and f"the most is {spec.max_length:,}." in data["sentence"]
        with pytest.raises(ParamError, match=r"has [\d,]+ characters; the most is [\d,]+\.$"):
            experiment.params.from_dict({spec.name: "汉 " * spec.max_length})


def test_a_text_stands_in_the_address_unless_it_is_what_the_page_begins_with_or_too_long() -> None:
    name = "q01_batch_rows"
    app = open_at({}, "q01/batch")
    for typed, kept in (("One; two", True), (TEXTS["en"], False), ("汉\n字", True), ("汉" * 900, False)):
        app.text_area(key=name).set_value(typed).run()
        assert app.text_area(key=name).value == typed
        assert app.query_params.get(name) in ((typed, [typed]) if kept else (None,))


def test_a_text_out_of_the_address_is_what_the_field_begins_with(whole_errors: None) -> None:
    app = open_at({"rows": "One; two"}, "q01/batch")
    assert app.text_area(key="q01_batch_rows").value == "One; two"
    assert app.query_params["q01_batch_rows"] in ("One; two", ["One; two"])


def test_a_number_below_zero_has_a_minus_sign_and_goes_through_the_address(whole_errors: None) -> None:
    app = open_at({"eps_power": "-8"}, "q11/eps")
    slider = app.select_slider(key="q11_eps_eps_power")
    assert slider.value == -8 and "−8" in slider.options
    slider.set_value(-6).run()
    assert app.query_params["q11_eps_eps_power"] in ("-6", ["-6"])
    app = open_at({"eps_power": "-99"}, "q11/eps")
    assert "−12 is used" in app.caption[0].value


def test_no_slider_of_streamlit_writes_a_number_below_zero() -> None:
    """It would begin with a hyphen."""
    app = open_at({}, *(each.id for each in Registry.discover().of_questions()))
    assert not [slider.label for slider in app.slider if slider.min < 0]
