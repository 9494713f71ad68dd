"""Home names the device, lists every question, and opens the first that is ready."""

from __future__ import annotations

import pytest

from labs.contract.registry import Registry
from labs.runner.job import WorkerStatus
from questions import load_questions
from tests.pages.conftest import CountingClient, OpenApp, plots


def texts(app) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.caption))


def test_every_question_is_a_link_under_its_part(open_app: OpenApp) -> None:
    labels = [link.proto.label for link in open_app().get("page_link")]
    with_a_lab = {experiment.lab for experiment in Registry.discover().of_questions()}
    assert with_a_lab
    by_part = sorted(load_questions(), key=lambda question: question.part)
    for label, question in zip(labels, by_part, strict=True):
        assert question.short["en"] in label and question.id in label
        assert ("live\u00a0lab" in label) == (question.key in with_a_lab)


def test_the_start_button_opens_the_first_question(open_app: OpenApp) -> None:
    app = open_app(lang="zh")
    app.button[0].click().run()
    assert app.title[0].value == load_questions()[0].title["zh"]


def test_the_playground_is_a_button_away(open_app: OpenApp) -> None:
    app = open_app()
    app.button[1].click().run()
    assert app.title[0].value == "Playground"


def test_the_parameter_chart_adds_up(open_app: OpenApp) -> None:
    app = open_app()
    assert "25,829,888" in app.header[-1].value
    bars = plots(app)[0]["data"][0]
    assert (bars["y"][-1], bars["text"][-1]) == ("Feed-forward", "17.30 M · 67%")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (WorkerStatus(), "Being looked for"),
        (WorkerStatus(state="loading"), "Loading the model"),
        (WorkerStatus(state="dead", error="No device: plug one in."), "No device: plug one in."),
        (
            WorkerStatus(
                state="ready",
                device_name="Test GPU",
                dtype="bfloat16",
                versions={"torch": "9.9"},
                model_name="tiny",
            ),
            "Test GPU in bfloat16 with torch 9.9",
        ),
        (
            WorkerStatus(
                state="ready",
                device_name="Test GPU",
                dtype="bfloat16",
                versions={"torch": "9.9"},
                error="There is no model: train one.",
            ),
            "no model",
        ),
    ],
)
def test_the_device_is_told_in_every_state(
    open_app: OpenApp,
    worker: CountingClient,
    monkeypatch: pytest.MonkeyPatch,
    status: WorkerStatus,
    said: str,
) -> None:
    monkeypatch.setattr(worker, "status", lambda: status)
    app = open_app()
    assert not app.exception
    assert said in texts(app)
    assert status.error in texts(app)
