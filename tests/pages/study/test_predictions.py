"""Predictions on their page: nothing typed is lost, nothing impossible committed, all cards in sight."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from labs.runner.job import Job
from pages.ui.experiments import experiment
from pages.ui.site import server
from questions import Renderer, load_question
from study.intervals import range_of
from study.store import Attempt, Store
from tests.pages.conftest import CountingClient, OpenApp

Q6, Q13 = "q06_gqa", "q13_sampling"
SURVIVORS, TOP, ENTROPY = (f"q13.predict.{name}" for name in ("survivors", "top-probability", "hot-entropy"))
COMMIT, SKIP = "q13-predictions-commit", "q13-predictions-skip"


def attempts(study: Store, name: str = "q13") -> tuple[Attempt, ...]:
    return study.attempts.of(study.profiles.named()[0].id, name)


def type_in(app: AppTest, key: str, text: str) -> AppTest:
    return app.text_input(key=key).set_value(text).run()


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in app.markdown)


class Holding:
    """A worker that runs at once, but holds the runs of some experiments."""

    def __init__(self, client: CountingClient, *names: str) -> None:
        self.client, self.names = client, names
        self.status = client.status
        self.held: list[Job] = []

    def submit(self, name: str, params: dict[str, Any], **_options: str) -> Job:
        if name not in self.names:
            return self.client.submit(name, params)
        job = Job(name, experiment(name).params.from_dict(params), lambda _job: None)
        self.held.append(job)
        return job


@pytest.mark.parametrize(
    ("lang", "labels"),
    [
        ("en", ["Commit", "Commit 1, skip 2", "Commit 3"]),
        ("zh", ["提交预测", "提交 1 个，跳过 2 个", "提交 3 个预测"]),
    ],
)
def test_the_button_says_what_it_commits(open_app: OpenApp, lang: str, labels: list[str]) -> None:
    app = open_app(Q13, lang=lang)
    said = [app.button(key=COMMIT).label]
    type_in(app, SURVIVORS, "4")
    said.append(app.button(key=COMMIT).label)
    type_in(app, TOP, "66%")
    type_in(app, ENTROPY, "6,5")
    assert [*said, app.button(key=COMMIT).label] == labels


@pytest.mark.parametrize(
    ("key", "typed", "sentence"),
    [
        (SURVIVORS, "-5", "Only a number from 0 to 5 is possible here."),
        (SURVIVORS, "2.5", "Only a whole number is possible here."),
        (TOP, "1e99", "Only a number from 0 to 1 is possible here."),
        (TOP, "many", "This is no number: write it like 3.5, 3,5 or 1,000,000."),
    ],
)
def test_an_impossible_number_is_refused_at_its_field_and_nothing_is_committed(
    open_app: OpenApp, study: Store, key: str, typed: str, sentence: str
) -> None:
    app = type_in(open_app(Q13), key, typed)
    assert sentence in texts(app)
    type_in(app, ENTROPY, "6.5")
    app.button(key=COMMIT).click().run()
    assert not app.exception and "Nothing was committed" in texts(app)
    assert not [attempt for attempt in attempts(study) if attempt.predictions]
    assert app.text_input(key=key).value == typed and app.text_input(key=ENTROPY).value == "6.5"


def test_an_empty_form_is_not_committed(open_app: OpenApp, study: Store) -> None:
    app = open_app(Q13)
    app.button(key=COMMIT).click().run()
    assert "Fill in at least one field, or skip all." in texts(app)
    assert not [attempt for attempt in attempts(study) if attempt.predictions]


def test_what_was_read_is_said(open_app: OpenApp) -> None:
    app = type_in(open_app("q10_grad_scaler"), "q10.predict.last-safe-tokens", "1 000 000")
    assert "Read as 1,000,000\N{NO-BREAK SPACE}tokens." in texts(app)
    assert "Read as" not in texts(type_in(app, "q10.predict.last-safe-tokens", "5,242"))


def test_what_was_typed_survives_a_reload_and_another_language(open_app: OpenApp) -> None:
    app = type_in(open_app(Q6), "q06.predict.cache-size", "8,4")
    app.radio(key="q06.predict.slowest-way").set_value("mha").run()
    again = open_app(Q6, lang="zh")
    assert again.text_input(key="q06.predict.cache-size").value == "8,4"
    assert again.radio(key="q06.predict.slowest-way").value == "mha"
    assert again.button(key="q06-predictions-commit").label == "提交 2 个，跳过 1 个"


def test_fields_are_empty_for_the_next_attempt(open_app: OpenApp, study: Store) -> None:
    app = type_in(open_app(Q13), SURVIVORS, "4")
    app.button(key=COMMIT).click().run()
    app.button(key="q13.reference").click().run()
    app.button(key="q13.keep").click().run()
    app.button(key="q13.again").click().run()
    assert app.text_input(key=SURVIVORS).value == "" and app.button(key=COMMIT).label == "Commit"
    assert len(attempts(study)) == 2 and attempts(study)[0].predictions == {}


def test_a_range_is_kept_beside_its_middle_and_judged(open_app: OpenApp, study: Store) -> None:
    app = type_in(open_app(Q13), TOP, "0.5")
    app.toggle(key=f"{TOP}.range").set_value(True).run()
    type_in(app, f"{TOP}.low", "0.4")
    assert "A range needs both ends." in texts(app)
    type_in(app, f"{TOP}.high", "0.2")
    assert "A range begins with the smaller number." in texts(app)
    type_in(app, f"{TOP}.high", "0.9")
    assert "the middle of yours is 0.6." in texts(app)
    app.button(key=COMMIT).click().run()
    kept = attempts(study)[0].predictions
    assert kept["top-probability"] == pytest.approx(0.6) and kept["survivors"] is None
    assert "top-probability.low" in kept and "survivors.low" not in kept
    said = texts(app)
    assert "You said :violet[**0.4**] to :violet[**0.9**]" in said and "It lies within your range." in said


def test_a_range_that_is_put_away_gives_the_number_back(open_app: OpenApp) -> None:
    app = type_in(open_app(Q13), TOP, "0.5")
    app.toggle(key=f"{TOP}.range").set_value(True).run()
    type_in(app, f"{TOP}.low", "0.4")
    app.toggle(key=f"{TOP}.range").set_value(False).run()
    assert app.text_input(key=TOP).value == "0.5"
    app.toggle(key=f"{TOP}.range").set_value(True).run()
    assert app.text_input(key=f"{TOP}.low").value == "0.4"


def test_attempts_of_before_are_read_without_ranges(study: Store) -> None:
    profile = study.profiles.named_or_new("Me").id
    attempt = study.attempts.predict(study.attempts.open(profile, "q13"), "top-probability", 0.5)
    assert range_of(load_question(Q13).prediction("top-probability"), attempt.predictions) is None


def test_each_card_stays_in_sight_while_its_number_is_measured(
    open_app: OpenApp, inline: CountingClient, monkeypatch: pytest.MonkeyPatch, study: Store
) -> None:
    holding = Holding(inline, "q13/next_token")
    app = open_app(Q13)
    monkeypatch.setattr(server, "worker", lambda: holding)
    type_in(app, SURVIVORS, "3")
    type_in(app, ENTROPY, "3")
    app.button(key=COMMIT).click().run()
    said = texts(app)
    assert "the formula says :blue[**4\N{NO-BREAK SPACE}tokens**]" in said, "it waits for no slower one"
    assert "You said :violet[**3\N{NO-BREAK SPACE}nats**]; measuring (about 0." in said
    assert said.index("How many tokens survive") < said.index("How many nats")
    (job,) = [job for job in holding.held if job.params and job.params.to_dict()["temperature"] == 2.0]
    job.end("failed", error="The device is away.")
    app.run()
    assert "The device is away." in "\n".join(error.value for error in app.error)
    app.button(key=f"{ENTROPY}.job.retry").click()
    monkeypatch.setattr(server, "worker", lambda: inline)
    app.run()
    assert "hot-entropy" in attempts(study)[0].measurements and "measuring" not in texts(app)


def test_softmax_and_top_p_are_formulas_and_an_exact_number_is_called_exact(open_app: OpenApp) -> None:
    app = type_in(open_app(Q13), SURVIVORS, "4")
    type_in(app, TOP, "0.65")
    app.button(key=COMMIT).click().run()
    said = texts(app)
    assert "the formula says :blue[**4\N{NO-BREAK SPACE}tokens**]. ✓ Exact." in said
    assert "the formula says :blue[**0.6612**]. ✓ Close." in said


@pytest.mark.parametrize(
    ("lang", "sentence"),
    [("en", "**8× too little:** you counted one layer."), ("zh", "**只有应有值的 1/8：** 只算了一层。")],
)
def test_a_wrong_number_is_explained_by_its_factor(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch, inline: CountingClient, lang: str, sentence: str
) -> None:
    app = type_in(open_app(Q6, lang=lang), "q06.predict.cache-size", "1.05")
    app.button(key="q06-predictions-commit").click().run()
    assert sentence in texts(app)


def test_a_commit_in_a_stale_tab_changes_nothing(open_app: OpenApp, study: Store) -> None:
    stale = type_in(open_app(Q13), SURVIVORS, "4")
    other = open_app(Q13)
    other.button(key=SKIP).click().run()
    other.button(key="q13.reference").click().run()
    attempt = attempts(study)[0]
    study.attempts.finish(attempt, 40)
    before = attempts(study)
    stale.button(key=COMMIT).click().run()
    assert "This attempt was finished in another tab; nothing was changed." in stale.error[0].value
    assert attempts(study) == before


class EndsBetweenTwoLooks:
    """A job whose result comes just after the page has looked for it."""

    error = None
    state = "done"

    def __init__(self) -> None:
        self.looks = 0

    def wait(self, _seconds: float) -> None: ...

    @property
    def result(self) -> None:
        return None

    @property
    def active(self) -> bool:
        self.looks += 1
        return self.looks == 1


def test_a_number_that_comes_as_the_page_is_drawn_is_looked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would else stand there as not measured until somebody moved something."""
    from pages.ui.study import predict

    question, job = load_question("q06_gqa"), EndsBetweenTwoLooks()
    monkeypatch.setattr(predict, "_started", lambda *_: job)
    monkeypatch.setattr(predict, "seconds_of", lambda _prediction: 0.0)
    first = question.predictions[:1]
    found, under_way = predict._measure(question, first, None)  # type: ignore[arg-type]
    assert found == {first[0].id: job} and not job.active
    followed: list[object] = []
    monkeypatch.setattr("pages.ui.lab.jobs.follow", lambda job, _draw: followed.append(job))
    predict.unmeasured_card(
        first[0],
        Attempt("me", "a", question.key, 0.0, 0.0, predictions={first[0].id: 4.0}),
        job,  # type: ignore[arg-type]
        Renderer(question, "en"),
        under_way=first[0].id in under_way,
    )
    assert followed == [job]
