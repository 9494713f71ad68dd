"""Question 13's page: sliders need no model, texts stream, wrong input gets one sentence."""

from __future__ import annotations

import html

import pytest
from streamlit.testing.v1 import AppTest

from labs.runner.job import Job
from tests.pages.conftest import CountingClient, OpenApp, plots, settle_predictions

PAGE = "q13_sampling"
NEXT, TEXT = "q13/next_token", "q13/continuation"


@pytest.fixture(autouse=True)
def lab_is_open(study) -> None:
    settle_predictions(PAGE)


def says(app: AppTest, words: str) -> bool:
    return any(words in element.value for element in app.markdown)


def bars(app: AppTest) -> dict[str, int]:
    """How many bars the plot shows as kept and as removed."""
    return {trace["meta"]["role"]: len(trace["customdata"]) for trace in plots(app)[0]["data"]
            if trace["type"] == "bar"}


def sample(app: AppTest) -> str:
    """The HTML of the written text."""
    return next(block.proto.body for block in app.get("html") if 'class="sample"' in block.proto.body)


def test_a_slider_redraws_without_the_model(open_app: OpenApp, worker: CountingClient) -> None:
    app = open_app(PAGE)
    assert bars(app) == {"measured": 16, "removed": 0}
    app.slider(key="q13_top_p").set_value(0.05).run()
    kept = bars(app)["measured"]
    assert 0 < kept < 16 and bars(app)["removed"] == 16 - kept
    app.slider(key="q13_temperature").set_value(0.0).run()
    assert bars(app) == {"measured": 1, "removed": 15}
    assert says(app, "is greedy")
    assert worker.submitted == [NEXT]


def test_a_new_prompt_is_read_once(open_app: OpenApp, worker: CountingClient) -> None:
    app = open_app(PAGE)
    app.text_input(key="q13_prompt").set_value("Once upon a time").run()
    app.run()
    assert worker.submitted == [NEXT, NEXT]


@pytest.mark.parametrize(("prompt", "said"), [("", "begin-of-text"), ("long " * 40, "longer than the 128")])
def test_unusual_prompts_work_and_say_so(open_app: OpenApp, prompt: str, said: str) -> None:
    app = open_app(PAGE)
    app.text_input(key="q13_prompt").set_value(prompt).run()
    assert not app.exception and says(app, said)


def test_a_text_is_written_with_the_sliders_settings(open_app: OpenApp, worker: CountingClient) -> None:
    app = open_app(PAGE)
    app.slider(key="q13_temperature").set_value(0.0)
    app.slider(key="q13_max_new_tokens").set_value(5)
    app.button(key="q13.write").click().run()
    assert worker.submitted == [NEXT, TEXT]
    job = app.session_state["q13.writing"]
    assert (job.params.temperature, job.params.max_new_tokens, len(job.partials)) == (0.0, 5, 5)
    assert sample(app).endswith(f"{job.params.prompt}</span>{html.escape(job.result['text'])}</p>")


def test_what_the_model_writes_is_never_html(open_app: OpenApp, worker: CountingClient) -> None:
    app = open_app(PAGE)
    app.text_input(key="q13_prompt").set_value("<b>bold</b>")
    app.button(key="q13.write").click().run()
    assert "&lt;b&gt;bold&lt;/b&gt;" in sample(app)


def test_the_address_sets_the_controls_and_is_made_to_fit(open_app: OpenApp) -> None:
    app = open_app(PAGE, q13_temperature="9", q13_top_p="0.5", q13_seed="abc")
    assert app.slider(key="q13_temperature").value == 3.0
    assert app.slider(key="q13_top_p").value == 0.5
    assert app.number_input(key="q13_seed").value == 0
    moved = [caption.value for caption in app.caption if "address" in caption.value]
    assert [text.split()[4] for text in moved] == ["9,", "abc,"]
    app.slider(key="q13_temperature").set_value(1.0).run()
    assert not any(" 9," in caption.value for caption in app.caption)


def test_settings_are_kept_while_another_page_is_read(open_app: OpenApp) -> None:
    app = open_app(PAGE)
    app.slider(key="q13_top_p").set_value(0.4).run()
    app.switch_page("pages/home.py").run()
    app.switch_page(f"pages/{PAGE}.py").run()
    assert app.slider(key="q13_top_p").value == 0.4


def test_a_failed_run_is_one_sentence(open_app: OpenApp, worker: CountingClient,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(experiment_id: str, params=None, **options) -> Job:
        job = Job(experiment_id, None, lambda _job: None)
        job.end("failed", error="There is no checkpoint weights/minimind-26m; train one.")
        return job

    monkeypatch.setattr(worker, "submit", fail)
    app = open_app(PAGE)
    assert [error.value for error in app.error] == ["There is no checkpoint weights/minimind-26m; train one."]
    assert not app.exception
    assert len(plots(app)) == 1, "typed numbers need no model"
