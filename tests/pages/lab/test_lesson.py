"""The sentence of three numbers takes the person's own prediction, where one was made of this very number."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import settle_predictions


def sentence(kv_heads: int, measured: float) -> str:
    """What is said of a cache of so many KV heads, on Question 6's page of a person who predicted 4.2 MB."""

    def script(kv_heads: int, measured: float) -> None:
        import streamlit as st

        from pages.ui.experiments import experiment
        from pages.ui.lab import lesson
        from pages.ui.site import store

        st.session_state.setdefault("lang", "en")
        this = experiment("q06/cache")
        numbers = {"said": 4.19, "formula": 8.388608, "measured": measured, "unit": "MB"}
        params = this.params.from_dict({"kv_heads": kv_heads})
        lesson.sentence(this, params, {"megabytes": 8.39}, numbers, here=True, desk=store)

    app = AppTest.from_function(script, args=(kv_heads, measured)).run()
    assert not app.exception
    text: Any = app.markdown[0].value
    return str(text)


@pytest.fixture
def predicted(study) -> None:
    """A person who said 4.2 MB."""
    from pages.ui.site import store

    kept = store.store()
    attempt = kept.attempts.open(kept.profiles.named_or_new("Me").id, "q06")
    kept.attempts.predict(attempt, "cache-size", 4.2)


def test_the_own_prediction_stands_first_and_its_claim_says_why(predicted: None) -> None:
    said = sentence(2, 8.39)
    assert said.startswith("You said :violet[**4.2\N{NO-BREAK SPACE}MB**]")
    assert ":blue[**8.39\N{NO-BREAK SPACE}MB**]" in said and ":green[**8.39\N{NO-BREAK SPACE}MB**]" in said
    assert len(said.split(". ")) > 1, "there is no because"


@pytest.mark.parametrize(("kv_heads", "measured"), [(4, 8.39), (2, 9.0)])
def test_a_prediction_of_another_number_is_not_mixed_in(
    predicted: None, kv_heads: int, measured: float
) -> None:
    assert sentence(kv_heads, measured).startswith("Commonly said: :orange[**4.19")


def test_a_skipped_prediction_leaves_what_is_commonly_said(study) -> None:
    settle_predictions("q06_gqa")
    assert sentence(2, 8.39).startswith("Commonly said:")


def test_quartiles_that_would_be_written_alike_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from pages.ui.lab import lesson

    monkeypatch.setattr("streamlit.session_state", {"lang": "en"})
    numbers: Any = {"said": 4, "formula": 1.5, "measured": 1.14, "low": 1.141}
    assert lesson._range({**numbers, "high": 1.142}) == ""
    assert lesson._range({**numbers, "high": 1.19}) == " (quartiles 1.14 to 1.19)"
