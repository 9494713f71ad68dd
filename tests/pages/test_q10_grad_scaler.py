"""Question 10's page: locked before the predictions, sliders that need no run, live curves, bad input."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from labs.contract.registry import Registry
from labs.runner.job import Job
from tests.pages.conftest import CountingClient, OpenApp, experiments, plots, settle_predictions

PAGE = "q10_grad_scaler"
EXPERIMENTS = tuple(f"q10/{name}" for name in ("window", "scaler", "orders", "duel", "memory", "speed"))


def run(app: AppTest, name: str) -> AppTest:
    return app.button(key=f"q10_{name}.bench.run").click().run()


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in (*app.caption, *app.markdown))


def histogram(app: AppTest) -> dict[str, Any]:
    """The first plot of the page, by the meaning of its bars: how many each has."""
    bars = [trace for trace in plots(app)[0]["data"] if trace["type"] == "bar"]
    return {trace["name"]: trace["x"] for trace in bars}


def test_nothing_is_measured_before_the_predictions(open_app: OpenApp, worker: CountingClient) -> None:
    app = open_app(PAGE)
    assert worker.submitted == [] and not plots(app)
    assert {button.label for button in app.button} >= {"Commit", "Skip all"}
    assert "5,242" not in texts(app)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_experiment_has_its_panel_and_nothing_runs_unasked(
    open_app: OpenApp, worker: CountingClient, language: str
) -> None:
    settle_predictions(PAGE)
    app = open_app(PAGE, lang=language)
    assert not app.exception and worker.submitted == []
    titles = {
        Registry.discover().strings(language)[f"q10.{name.partition('/')[2]}.title"] for name in EXPERIMENTS
    }
    assert titles <= set(experiments(app))
    assert ("No GPU here" if language == "en" else "这里没有 GPU") in texts(app)


def test_the_scale_moves_the_histogram_without_a_run(open_app: OpenApp, worker: CountingClient) -> None:
    settle_predictions(PAGE)
    app = run(open_app(PAGE), "window")
    before = histogram(app)
    assert "FP16 itself, run at 2⁻¹⁴" in texts(app)
    app.slider(key="q10_window_scale_exponent").set_value(20).run()
    assert worker.submitted == ["q10/window"]
    assert histogram(app) != before and "FP16 itself, run at 2⁶" in texts(app)


def test_the_scaler_is_drawn_from_its_formula_until_it_is_run(
    open_app: OpenApp, worker: CountingClient
) -> None:
    settle_predictions(PAGE)
    app = open_app(PAGE)
    app.slider(key="q10_scaler_fits_exponent").set_value(12).run()
    scales = [
        trace["y"]
        for plot in plots(app)
        for trace in plot["data"]
        if len(trace["y"]) == 41 and trace["meta"]["role"] == "formula"
    ]
    assert [scale[-1] for scale in scales] == [2**12] and worker.submitted == []
    run(app, "scaler")
    assert worker.submitted == ["q10/scaler"] and "equal the formula at every step" in texts(app)


def test_bad_factors_are_one_sentence(open_app: OpenApp, worker: CountingClient) -> None:
    settle_predictions(PAGE)
    app = open_app(PAGE)
    app.slider(key="q10_scaler_backoff_factor").set_value(1.0).run()
    assert [error.value for error in app.error] == ["Backoff must be below 1 and growth above 1."]
    app.slider(key="q10_scaler_backoff_factor").set_value(0.5)
    app.text_input(key="q10_scaler_overflows").set_value("often").run()
    assert [error.value for error in app.error] == ["Write overflowing steps as in 12, 30-35; not 'often'."]
    assert worker.submitted == [] and not app.exception


def test_the_duel_shows_its_curves_while_it_runs(
    open_app: OpenApp, worker: CountingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle_predictions(PAGE)
    params = Registry.discover().find("q10/duel").params()
    running = Job("q10/duel", params, lambda _job: None)
    for step in (1, 2, 3):
        losses = dict.fromkeys(("fp32", "fp16", "fp16_scaler", "bf16"), 7.0 - step / 10)
        running.add_partial({"step": step, "losses": losses, "scale": 65536.0})
    monkeypatch.setattr(worker, "submit", lambda *_arguments, **_options: running)
    app = run(open_app(PAGE), "duel")
    drawn = [plot for plot in plots(app) if [len(trace.get("y", ())) for trace in plot["data"]] == [3] * 4]
    assert len(drawn) == 1 and any(button.label == "Stop" for button in app.button)
    running.cancel()
