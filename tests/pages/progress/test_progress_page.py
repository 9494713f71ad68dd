"""The page of progress: calibration of what was measured, all that was scored, and nothing given away."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from pages.ui.progress import calibration
from questions import load_question
from study.calibration import first_judgements
from study.store import Attempt, Store
from tests.pages.conftest import OpenApp, plots
from tests.pages.progress.conftest import Answered
from tests.pages.study.test_study_page import sent

Q6, Q13 = load_question("q06_gqa"), load_question("q13_sampling")


def texts(app) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.caption))


@pytest.mark.parametrize(
    ("lang", "nothing"), [("en", "No question is scored yet."), ("zh", "还没有评过分的题目。")]
)
def test_a_first_visit_reads_what_will_be_here(open_app: OpenApp, lang: str, nothing: str) -> None:
    app = open_app("progress", lang=lang)
    assert not app.exception and not app.error
    assert nothing in texts(app)
    assert len(app.header) == 1, "only the plan, which one can begin with"
    assert not app.table and not app.get("download_button") and not plots(app)


@pytest.mark.parametrize(
    ("lang", "attempt", "bias"),
    [("en", ", attempt 2", "4× too high"), ("zh", "（第 2 次）", "约为实测的 4 倍")],
)
def test_scores_and_calibration_are_shown(
    open_app: OpenApp, answered: Answered, lang: str, attempt: str, bias: str
) -> None:
    answered("q06_gqa", points=60, said=8.0, measured=2.0)
    answered("q06_gqa", points=80, said=2.0, measured=2.0)
    answered("q13_sampling", points=100, said=2.0, measured=2.0)
    app = open_app("progress", lang=lang)
    assert not app.exception
    _due, by_part, scored, parts = (table.value.to_string() for table in app.table)
    assert attempt in scored and "100" in scored and Q13.short[lang] in scored
    assert bias in parts
    assert len(app.get("download_button")) == 3
    assert ("1 of 4" if lang == "en" else "1/4") in by_part
    over_time, figure = plots(app)
    assert [trace["y"] for trace in over_time["data"]] == [[60, 80, 100], [60, 80, 90]]
    drawn = [trace for trace in figure["data"] if trace["mode"].startswith("markers")]
    assert {(x, y) for trace in drawn for x, y in zip(trace["x"], trace["y"], strict=True)} == {
        (2.0, 8.0),
        (2.0, 2.0),
    }


@pytest.mark.parametrize(("lang", "median"), [("en", "median 70"), ("zh", "中位数 70 分")])
def test_a_median_between_two_scores_has_no_empty_decimals(
    open_app: OpenApp, answered: Answered, lang: str, median: str
) -> None:
    answered("q06_gqa", points=60)
    answered("q13_sampling", points=80)
    for page in ("", "progress"):
        assert median in texts(open_app(page, lang=lang)) and "70.0" not in texts(open_app(page, lang=lang))


def test_a_question_that_is_predicted_again_gives_nothing_away(
    open_app: OpenApp, answered: Answered, study: Store
) -> None:
    answered("q06_gqa", points=60, said=4.0, measured=1.2341)
    answered("q13_sampling", points=60, said=4.0, measured=2.0)
    study.attempts.open(study.profiles.named()[0].id, "q06")
    app = open_app("progress")
    page = sent(app)
    assert "1.234" not in page and "its numbers stay out of this page: Q6." in page
    assert plots(app)


def test_an_attempt_under_way_shows_no_number_before_it_is_settled(open_app: OpenApp, study: Store) -> None:
    attempt = study.attempts.open(study.profiles.named_or_new("Me").id, "q06")
    attempt = study.attempts.predict(attempt, Q6.predictions[0].id, 4.0)
    study.attempts.measure(attempt, Q6.predictions[0].id, 1.2341)
    assert "1.234" not in sent(open_app("progress"))


def test_a_store_that_fails_says_so(
    open_app: OpenApp, study: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pages.ui.progress import kept
    from study.store import StoreError

    def fail() -> None:
        raise StoreError("The store is away: bring it back.")

    monkeypatch.setattr(kept.store, "stamps", fail)
    app = open_app("progress")
    assert not app.exception and "bring it back" in app.error[0].value
    home = open_app()
    assert not home.exception and home.button[0].label == "Start with Q1"


def judged(*pairs: tuple[float, float], interval: tuple[float, float] | None = None):
    name = Q6.predictions[0].id
    found = []
    for said, measured in pairs:
        ends = dict(zip((f"{name}.low", f"{name}.high"), interval or (), strict=False))
        stored = {name: said, **ends}
        attempt = Attempt("me", "a", "q06", 0, 0, predictions=stored, measurements={name: measured})
        found += first_judgements(Q6, [attempt])
    return found


def figure_of(*pairs: tuple[float, float], **more):
    """The figure without a running page: in English."""
    return calibration.figure(judged(*pairs, **more))


@pytest.fixture
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    from pages.ui.progress import calibration as drawn
    from pages.ui.progress.words import Words

    monkeypatch.setattr(drawn, "plain", Words("en"))
    monkeypatch.setattr(drawn, "_hover", lambda judged: "hover")


def test_both_axes_are_equal_and_hold_every_mark(english: None) -> None:
    drawn = figure_of((4.0, 1.0), (3e-4, 2e-4), (5e7, 9e6))
    x, y = drawn.layout["xaxis"], drawn.layout["yaxis"]
    assert x["type"] == y["type"] == "log" and x["range"] == y["range"]
    low, high = (10**end for end in x["range"])
    marks = drawn.data[-1]
    assert all(low < value < high for value in (*marks["x"], *marks["y"]))


def test_the_band_is_a_factor_of_two_around_the_diagonal(english: None) -> None:
    lower, upper, diagonal = figure_of((4.0, 1.0)).data[:3]
    assert all(math.isclose(y, x / 2) for x, y in zip(lower["x"], lower["y"], strict=True))
    assert all(math.isclose(y, x * 2) for x, y in zip(upper["x"], upper["y"], strict=True))
    assert diagonal["x"] == diagonal["y"] and upper["fill"] == "tonexty"


def test_names_keep_apart_and_the_furthest_off_has_one(english: None) -> None:
    marks = figure_of((4.0, 1.0), (4.01, 1.001), (9.0, 1.0), (1e5, 1e5)).data[-1]
    named = dict(zip(marks["y"], marks["text"], strict=True))
    assert named[9.0] == "Q6" and named[1e5] == "Q6"
    assert sorted([named[4.0], named[4.01]]) == ["", "Q6"] or named[4.0] == named[4.01] == ""


def test_a_range_is_drawn_as_a_bar(english: None) -> None:
    marks = figure_of((4.0, 1.0), interval=(2.0, 8.0)).data[-1]
    assert (marks["error_y"]["array"], marks["error_y"]["arrayminus"]) == ([4.0], [2.0])
    assert "error_y" not in figure_of((4.0, 1.0)).data[-1]
