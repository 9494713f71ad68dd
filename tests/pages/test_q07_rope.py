"""Question 7's page: the spectrum follows its sliders, a close look is no new run, bad input."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import CountingClient, OpenApp, experiments, plots, settle_predictions

PAGE = "q07_rope"


@pytest.fixture
def lab_is_open(study) -> None:
    settle_predictions(PAGE)


def bars(app: AppTest) -> dict[str, int]:
    """Pairs with and without a full turn, as the plot of wavelengths shows them."""
    waves = next(figure for figure in plots(app) if any(one["type"] == "bar" for one in figure["data"]))
    return {trace["meta"]["role"]: len(trace["x"]) for trace in waves["data"] if trace["type"] == "bar"}


def roles(figure: dict[str, Any]) -> set[str]:
    return {trace["meta"]["role"] for trace in figure["data"]}


def notes(app: AppTest) -> str:
    return "\n".join(caption.value for caption in app.caption)


@pytest.mark.parametrize(
    ("lang", "titles"),
    [
        (
            "en",
            [
                "Rotation microscope",
                "The spectrum of a head",
                "The whole model, somewhere else",
                "Length bench",
            ],
        ),
        ("zh", ["旋转显微镜", "一个头的频谱", "整个模型换个位置", "长度测试台"]),
    ],
)
def test_all_experiments_are_there_and_nothing_runs_by_itself(
    lab_is_open: None, open_app: OpenApp, worker: CountingClient, lang: str, titles: list[str]
) -> None:
    app = open_app(PAGE, lang=lang)
    assert [title for title in experiments(app) if title in titles] == titles
    assert not worker.submitted and not app.exception


def test_the_lab_waits_for_the_predictions(open_app: OpenApp, worker: CountingClient) -> None:
    app = open_app(PAGE)
    assert not worker.submitted and not app.subheader and not plots(app)
    fields = [field for field in app.text_input if field.key != "search.small"]
    assert len(fields) == 2 and len(app.radio) == 1


def test_the_spectrum_follows_its_controls_without_a_run(
    lab_is_open: None, open_app: OpenApp, worker: CountingClient
) -> None:
    app = open_app(PAGE)
    assert bars(app) == {"formula": 11, "removed": 21}
    app.selectbox(key="q07_spectrum_length").set_value(8192).run()
    assert bars(app) == {"formula": 17, "removed": 15}
    app.slider(key="q07_spectrum_factor").set_value(4.0).run()
    assert "it targets 2,048 tokens" in notes(app)
    assert not worker.submitted


def test_a_close_look_is_no_new_run(lab_is_open: None, open_app: OpenApp, worker: CountingClient) -> None:
    app = open_app(PAGE)
    app.button(key="q07_invariance.bench.run").click().run()
    assert worker.submitted == ["q07/invariance"]
    assert "measured" in roles(plots(app)[0]) and "formula" in roles(plots(app)[0])
    app.selectbox(key="q07_invariance_start").set_value(1000).run()
    app.selectbox(key="q07_invariance_arithmetic").set_value("bf16_angles").run()
    assert "in bf16 angles at m = 1,000" in notes(app)
    assert worker.submitted == ["q07/invariance"]


def test_a_dictionary_that_nobody_could_read_is_one_sentence(lab_is_open: None, open_app: OpenApp) -> None:
    app = open_app(PAGE)
    app.text_input(key="q07_spectrum_custom").set_value("{oops").run()
    assert [error.value for error in app.error] == [
        "The dictionary is not readable; write it as in a config.json, with rope_type linear, ntk or yarn."
    ]
    assert not app.exception


def test_a_text_that_is_too_short_is_one_sentence(lab_is_open: None, open_app: OpenApp) -> None:
    app = open_app(PAGE)
    app.text_area(key="q07_lengths_pasted").set_value("Too short.")
    app.button(key="q07_lengths.bench.run").click().run()
    assert any("Lower the longest length or paste more." in error.value for error in app.error)
    assert not app.exception


def test_the_address_sets_the_controls_and_is_made_to_fit(lab_is_open: None, open_app: OpenApp) -> None:
    app = open_app(PAGE, q07_spectrum_factor="99", q07_lengths_reach="3000")
    assert app.slider(key="q07_spectrum_factor").value == 64
    assert app.selectbox(key="q07_lengths_reach").value == 0
    assert not app.exception and not app.error
