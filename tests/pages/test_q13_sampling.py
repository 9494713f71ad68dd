"""Question 13's page: sliders need no model, texts stream, wrong input gets one sentence."""

from __future__ import annotations

import html
import json
import re

import pytest
from streamlit.testing.v1 import AppTest

from labs.runner.job import Job
from tests.pages.addresses import visit
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
    return {
        trace["meta"]["role"]: len(trace["customdata"])
        for trace in plots(app)[0]["data"]
        if trace["type"] == "bar" and trace["meta"]["role"] != "peer"
    }


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
    assert [re.search(r"asks for (\w+),", text)[1] for text in moved] == ["9", "abc"]
    app.slider(key="q13_temperature").set_value(1.0).run()
    assert not any(" 9," in caption.value for caption in app.caption)


def test_settings_are_kept_while_another_page_is_read(open_app: OpenApp) -> None:
    app = open_app(PAGE)
    app.slider(key="q13_top_p").set_value(0.4).run()
    visit(app, "")
    visit(app, PAGE)
    assert app.slider(key="q13_top_p").value == 0.4


def test_a_failed_run_is_one_sentence(
    open_app: OpenApp, worker: CountingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(experiment_id: str, params=None, **options) -> Job:
        job = Job(experiment_id, None, lambda _job: None)
        job.end("failed", error="There is no checkpoint weights/minimind-26m; train one.")
        return job

    monkeypatch.setattr(worker, "submit", fail)
    app = open_app(PAGE)
    assert [error.value for error in app.error] == ["There is no checkpoint weights/minimind-26m; train one."]
    assert not app.exception and not says(app, "of 6,400 tokens")
    assert says(app, "Read as logits"), "typed numbers need no model"


def press(app: AppTest, name: str) -> AppTest:
    """Run the experiment `name` from its panel."""
    return app.button(key=f"q13_{name}.bench.run").click().run()


def test_a_starting_point_moves_the_sliders_only(open_app: OpenApp, worker: CountingClient) -> None:
    app = open_app(PAGE)
    app.button(key="q13.start.creative").click().run()
    assert (app.slider(key="q13_temperature").value, app.slider(key="q13_top_p").value) == (0.9, 0.85)
    app.slider(key="q13_top_p").set_value(0.5).run()
    assert (app.slider(key="q13_temperature").value, app.slider(key="q13_top_p").value) == (0.9, 0.5)
    assert worker.submitted == [NEXT]


def test_every_setting_acts_on_the_bars(open_app: OpenApp, worker: CountingClient) -> None:
    app = open_app(PAGE)
    app.number_input(key="q13_top_k").set_value(3).run()
    assert bars(app) == {"measured": 3, "removed": 13}
    app.number_input(key="q13_top_k").set_value(0)
    app.slider(key="q13_typical_p").set_value(0.2).run()
    typical = bars(app)
    assert typical["removed"] > 0
    app.slider(key="q13_typical_p").set_value(1.0)
    app.slider(key="q13_min_p").set_value(1.0).run()
    assert bars(app) == {"measured": 1, "removed": 15}
    assert worker.submitted == [NEXT]


def steps(app: AppTest) -> list[list[object]]:
    """The order as it is shown: id, name and whether the step does nothing, from the first step on."""
    return next(
        json.loads(block.proto.json)["steps"]
        for block in app.get("bidi_component")
        if block.proto.component_name == "sortable"
    )


def test_the_order_decides_what_the_temperature_does_to_the_nucleus(open_app: OpenApp) -> None:
    app = open_app(PAGE, q13_order="top_p,temperature,top_k,min_p,typical_p", q13_top_p="0.05")
    assert steps(app)[:3] == [
        ["top_p", "top-p", False],
        ["temperature", "temperature", False],
        ["top_k", "top-k", True],
    ]
    nucleus = bars(app)
    app.slider(key="q13_temperature").set_value(2.0).run()
    assert bars(app) == nucleus
    app.session_state["q13_order"] = "temperature,top_p,top_k,min_p,typical_p"
    app.run()
    assert bars(app)["measured"] > nucleus["measured"]
    app.slider(key="q13_temperature").set_value(0.0).run()
    assert [step for step, _, off in steps(app) if not off] == ["temperature"]


def test_texts_are_written_with_the_settings_under_more(open_app: OpenApp, worker: CountingClient) -> None:
    app = open_app(PAGE)
    app.number_input(key="q13_top_k").set_value(7)
    app.slider(key="q13_repetition_penalty").set_value(1.5)
    app.slider(key="q13_max_new_tokens").set_value(4)
    app.button(key="q13.write").click().run()
    params = app.session_state["q13.writing"].params
    assert (params.top_k, params.repetition_penalty) == (7, 1.5)
    assert [figure["layout"]["yaxis"]["title"]["text"] for figure in plots(app)[2:4]] == [
        "Tokens kept",
        "Entropy (nats)",
    ]
    app.slider(key="q13_samples").set_value(3)
    press(app, "wall")
    job = app.session_state["q13_wall.bench"]
    assert (job.params.top_k, job.params.samples, job.params.max_new_tokens) == (7, 3, 4)
    wall = next(block.proto.body for block in app.get("html") if 'class="wall"' in block.proto.body)
    assert all(html.escape(sample["text"]) in wall for sample in job.result["samples"])


@pytest.mark.parametrize(
    ("lang", "read", "refused"),
    [
        ("en", "Read as probabilities. Kept: **4** of 5", "seven is not a number."),
        ("zh", "读作：概率。5 个词元中保留 **4** 个", "seven 不是数字。"),
    ],
)
def test_typed_numbers_are_read_at_once_or_refused_in_one_sentence(
    open_app: OpenApp, worker: CountingClient, lang: str, read: str, refused: str
) -> None:
    app = open_app(PAGE, lang=lang)
    app.text_input(key="q13_manual_numbers").set_value("0.65, 0.12, 0.10, 0.08, 0.05").run()
    assert says(app, read)
    app.text_input(key="q13_manual_numbers").set_value("8, seven").run()
    assert [error.value for error in app.error] == [refused]
    assert worker.submitted == [NEXT]


def test_the_rules_at_the_boundary_stand_side_by_side(open_app: OpenApp) -> None:
    app = open_app(PAGE)
    app.text_input(key="q13_manual_numbers").set_value("0.5, 0.25, 0.15, 0.05, 0.03, 0.02").run()
    assert says(app, "definition **3** · shifted, strict **4** · transformers **4**")


def test_the_mistakes_are_run_and_told(open_app: OpenApp, worker: CountingClient) -> None:
    app = press(open_app(PAGE), "bugs")
    assert worker.submitted == [NEXT, "q13/bugs"]
    app.session_state["q13/bugs.table"] = True
    app.run()
    cells = [str(cell) for table in app.table for row in table.value.to_numpy() for cell in row]
    assert any("IndexError" in cell for cell in cells)


def test_the_grid_names_the_starting_points(open_app: OpenApp, worker: CountingClient) -> None:
    app = open_app(PAGE, q13_grid_samples="4", q13_grid_max_new_tokens="16")
    press(app, "grid")
    job = app.session_state["q13_grid.bench"]
    assert job.params.samples == 4 and len(job.result["cells"]) == 24
    maps = [figure for figure in plots(app) if figure["data"][0]["type"] == "heatmap"]
    assert len(maps) == 3
    names = ("Python that parses", "Prose: repeated runs of 4", "Prose: distinct-2")
    assert {f"**{name}**" for name in names} <= {text.value for text in app.markdown}
    words = "".join(maps[0]["data"][1]["text"])
    assert all(f"<b>{task}</b>" in words for task in ("code", "Q&A", "creative", "translation", "chat"))
