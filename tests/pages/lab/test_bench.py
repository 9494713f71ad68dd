"""The panel of an experiment: the formula at once, a run as it goes, its result, and nothing run unasked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from labs.contract import Params
from labs.contract.registry import Registry
from labs.runner.inline import InlineClient
from labs.runner.job import Job, WorkerStatus
from pages.ui import experiments as lab
from pages.ui.lab import finding, findings, jobs
from pages.ui.site import server
from pages.ui.words import catalogue, i18n
from tests.pages.conftest import plots

MODULE = "tests.pages.q99_line"
OpenPanel = Callable[..., AppTest]


class Worker:
    """Runs at once, or holds what it was given until the test ends it."""

    def __init__(self) -> None:
        self.client = InlineClient.start("cpu", registry=Registry([MODULE]))
        self.jobs: list[Job] = []
        self.hold = self.fresh = False
        self.kept: Job | None = None
        self.sought: list[dict[str, Any]] = []

    def status(self) -> WorkerStatus:
        return self.client.status()

    def find(self, experiment_id: str, params: Params) -> Job | None:
        self.sought.append(params.measured())
        return self.kept

    def submit(
        self, experiment_id: str, params: dict[str, Any], *, fresh: bool = False, **_options: str
    ) -> Job:
        self.fresh = fresh
        if self.hold:
            found = self.client._registry.find(experiment_id)
            job = Job(experiment_id, found.params.from_dict(params), lambda _job: None)
        else:
            job = self.client.submit(experiment_id, params)
        self.jobs.append(job)
        return job


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    held = Worker()
    registry = Registry([*Registry.discover().packages, MODULE])
    monkeypatch.setattr(server, "worker", lambda: held)
    monkeypatch.setattr(lab, "registry", lambda: registry)
    monkeypatch.setattr(catalogue, "registry", lambda: registry)
    i18n.catalogue.cache_clear()
    yield held
    i18n.catalogue.cache_clear()


@pytest.fixture
def open_panel(worker: Worker) -> OpenPanel:
    """Runs one panel alone."""

    def script(name: str) -> None:
        import streamlit as st

        from pages.ui.lab import bench
        from pages.ui.words.i18n import language_switch

        st.session_state.setdefault("lang", "en")
        language_switch()
        if "adopting" in st.session_state:
            for job in st.session_state["adopted"]:
                bench.adopt(job)
        bench.lab([name])

    def open_it(name: str, *, folded: bool = False) -> AppTest:
        app = AppTest.from_function(script, args=(name,), default_timeout=20)
        app.session_state[f"{name.replace('/', '_')}.bench.open"] = not folded
        return app.run()

    return open_it


def captions(app: AppTest) -> str:
    return "\n".join(caption.value for caption in app.caption)


def lines(app: AppTest) -> dict[str, int]:
    """Points of the main figure by role."""
    return {trace["meta"]["role"]: len(trace["y"]) for trace in plots(app)[0]["data"]}


def run(app: AppTest, name: str = "line") -> AppTest:
    return app.button(key=f"q99_{name}.bench.run").click().run()


def test_the_formula_moves_with_the_slider_and_nothing_runs(open_panel: OpenPanel, worker: Worker) -> None:
    app = open_panel("q99/line")
    assert lines(app) == {"formula": 3} and "The formula" in captions(app)
    app.slider(key="q99_line_points").set_value(5).run()
    assert lines(app) == {"formula": 5} and not worker.jobs


def test_a_run_that_a_prediction_made_is_shown(open_panel: OpenPanel, worker: Worker) -> None:
    app = open_panel("q99/line")
    app.session_state["adopted"] = [
        worker.submit("q99/line", {}),
        worker.submit("q99/look", {}),
        worker.submit("q99/bare", {"slope": 5}),
    ]
    assert "measured" not in lines(app.run())
    app.session_state["adopting"] = True
    assert lines(app.run()) == {"formula": 3, "measured": 3}
    assert "q99_look.bench" not in app.session_state and "q99_bare.bench" not in app.session_state


def test_an_experiment_of_views_alone_has_no_run(
    open_panel: OpenPanel, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "recorded", lambda _id: [{"params": {}, "result": {}}])
    app = open_panel("q99/look")
    app.slider(key="q99_look_zoom").set_value(3.0).run()
    assert plots(app)[1]["data"][0]["y"] == [3.0]
    assert not app.button and not worker.jobs


def test_a_run_is_shown_until_the_settings_change_and_again_when_they_are_back(
    open_panel: OpenPanel, worker: Worker
) -> None:
    app = run(open_panel("q99/line"))
    assert lines(app) == {"formula": 3, "measured": 3} and "Measured here" in captions(app)
    app.slider(key="q99_line_slope").set_value(3.0).run()
    assert lines(app) == {"formula": 3} and "The formula" in captions(app)
    app.slider(key="q99_line_slope").set_value(2.0).run()
    assert lines(app) == {"formula": 3, "measured": 3} and len(worker.jobs) == 1


def test_without_a_formula_to_draw_an_old_run_stays_and_says_so(open_panel: OpenPanel) -> None:
    app = open_panel("q99/bare")
    assert not plots(app)
    run(app, "bare")
    app.slider(key="q99_bare_slope").set_value(3.0).run()
    assert lines(app) == {"formula": 3, "measured": 3} and "settings have changed" in captions(app)


def test_an_estimate_has_two_digits() -> None:
    assert [jobs.rounded(seconds) for seconds in (0.02, 3.44, 27.4, 118.8)] == ["0.1", "3.4", "27", "120"]


def test_a_run_recorded_at_these_settings_is_found(open_panel: OpenPanel) -> None:
    app = open_panel("q06/seeds")
    said = captions(app)
    assert "Recorded on NVIDIA H200" in said and "28,975,616" not in said and "default settings" not in said
    app.session_state["q06_seeds_size"] = "minimind-26m"
    said = captions(app.run())
    assert "Recorded on NVIDIA H200" in said and "28,975,616" in said and "default settings" not in said
    app.session_state["q06_seeds_steps"] = 10
    assert "default settings" in captions(app.run())


def test_a_folded_experiment_says_its_result_in_one_line_and_draws_nothing(
    open_panel: OpenPanel, worker: Worker
) -> None:
    app = open_panel("q06/cache", folded=True)
    (row,) = app.expander
    assert row.label.startswith("**Bytes of a cache**") and "8.39" in row.label and "recorded" in row.label
    assert not plots(app) and not app.button and not worker.jobs


def test_what_is_kept_for_these_settings_is_shown_on_arrival_and_measured_again_on_demand(
    open_panel: OpenPanel, worker: Worker
) -> None:
    worker.kept = worker.client.submit("q99/line", {})
    worker.kept.cached = True
    app = open_panel("q99/line")
    assert lines(app) == {"formula": 3, "measured": 3} and "and kept" in captions(app) and not worker.jobs
    app.slider(key="q99_line_points").set_value(5).run()
    assert [way["points"] for way in worker.sought] == [3, 5]  # each settings are looked up once
    app.slider(key="q99_line_points").set_value(3).run()
    assert app.button(key="q99_line.bench.run").label.startswith("Measure again")
    run(app)
    assert worker.fresh and "Measured here" in captions(app) and "kept" not in captions(app)


def test_while_it_is_measured_again_the_old_output_stays(open_panel: OpenPanel, worker: Worker) -> None:
    app = run(open_panel("q99/line"))
    worker.hold = True
    run(app)
    assert lines(app) == {"formula": 3, "measured": 3} and worker.jobs[-1].active
    app.button(key=f"stop-{worker.jobs[-1].id}").click().run()
    assert lines(app) == {"formula": 3, "measured": 3}


def test_what_cannot_run_here_has_no_button_but_a_sentence(open_panel: OpenPanel) -> None:
    app = open_panel("q06/seeds")
    assert app.button(key="q06_seeds.bench.run")
    app.session_state["q06_seeds_size"] = "minimind-26m"
    assert "it takes a GPU" in captions(app.run())
    assert not [button for button in app.button if button.key == "q06_seeds.bench.run"]


def test_a_view_field_looks_at_the_same_run(open_panel: OpenPanel, worker: Worker) -> None:
    app = run(open_panel("q99/line"))
    app.slider(key="q99_line_zoom").set_value(4.0).run()
    assert plots(app)[1]["data"][0]["y"] == [4.0] and "Measured here" in captions(app)
    assert len(worker.jobs) == 1


def test_a_run_is_drawn_while_it_goes_on(open_panel: OpenPanel, worker: Worker) -> None:
    worker.hold = True
    app = run(open_panel("q99/line"))
    assert lines(app) == {"formula": 3}  # what stood there stays
    worker.jobs[0].add_partial({"y": 0.25})
    assert lines(app.run()) == {"formula": 3, "measured": 1}
    worker.jobs[0].add_partial({"y": 2.25})
    assert lines(app.run()) == {"formula": 3, "measured": 2}
    app.button(key=f"stop-{worker.jobs[0].id}").click().run()
    assert worker.jobs[0].state == "cancelled" and lines(app) == {"formula": 3}


def test_settings_that_do_not_go_together_are_one_sentence(open_panel: OpenPanel, worker: Worker) -> None:
    app = open_panel("q99/line")
    app.slider(key="q99_line_points").set_value(9)
    app.slider(key="q99_line_slope").set_value(10.0).run()
    assert [error.value for error in app.error] == ["So steep a line has 8 points at most."]
    assert not plots(app) and not app.exception


def test_the_exact_numbers_stand_below_the_figure(open_panel: OpenPanel) -> None:
    app = run(open_panel("q99/line"))
    assert not app.table and not app.code  # made only when they are opened
    app.session_state["q99/line.table"] = app.session_state["q99_line.bench.code"] = True
    app.run()
    assert app.code[0].value.startswith("python -m labs run q99/line")
    assert app.table[0].value.to_dict("records") == [
        {"x": "0", "y (m)": "0.25"},
        {"x": "1", "y (m)": "2.25"},
        {"x": "2", "y (m)": "4.25"},
    ]


def compared(app: AppTest) -> dict[str, list[str]]:
    """The table of pinned runs by its first column."""
    frame = app.table[-1].value
    return {name: list(row) for name, row in zip(frame.index, frame.to_numpy(), strict=True)}


def test_pinned_runs_stand_side_by_side(open_panel: OpenPanel) -> None:
    app = run(open_panel("q99/line"))
    app.button(key="q99/line.pin").click().run()
    assert app.button(key="q99/line.pin").disabled
    assert "Last y (m)" in compared(app) and "Slope" not in compared(app)
    app.slider(key="q99_line_slope").set_value(3.0).run()
    assert compared(app)["Last y (m)"] == ["4.25"]
    run(app)
    seen = compared(app)
    assert seen["Slope"] == ["3", "2"] and seen["Last y (m)"] == ["6.25", "4.25"]
    assert all(device for device in seen["Device"]) and "Points" not in seen
    app.button(key="q99/line.pin").click().run()
    assert compared(app)["Slope"] == ["2", "3"]
    assert [figure["data"][1]["y"][-1] for figure in plots(app)[2:]] == [4.25, 6.25]


def test_what_a_model_wrote_is_never_markdown() -> None:
    assert findings.cell("![x](http://elsewhere) **a** strict_shift") == (
        "!\\[x\\](http\N{WORD JOINER}://elsewhere) \\*\\*a\\*\\* strict_shift"
    )


def test_at_most_four_runs_are_pinned_and_each_can_be_let_go(open_panel: OpenPanel, worker: Worker) -> None:
    app = open_panel("q99/line")
    for slope in (1.0, 2.0, 3.0, 4.0, 5.0):
        app.slider(key="q99_line_slope").set_value(slope)
        run(app)
        if slope < 5:
            app.button(key="q99/line.pin").click().run()
    assert app.button(key="q99/line.pin").disabled and compared(app)["Slope"] == ["5", "1", "2", "3", "4"]
    app.button(key=f"q99/line.unpin.{worker.jobs[1].id}").click().run()
    assert not app.button(key="q99/line.pin").disabled and compared(app)["Slope"] == ["5", "1", "3", "4"]


def test_the_sentence_has_what_is_said_the_formula_and_the_measurement(open_panel: OpenPanel) -> None:
    app = run(open_panel("q99/line"))
    said = next(element.value for element in app.markdown if "Commonly said" in element.value)
    assert all(part in said for part in (":orange[**4×**]", ":blue[**4×**]", ":green[**4.25×**]"))
