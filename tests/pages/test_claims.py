"""The page of claims: only what an open reference shows, found by words and kinds, checked when asked for."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from labs.contract import Params
from labs.evidence.question import QuestionCheck, checked_claims, digest
from labs.runner.inline import InlineClient
from labs.runner.job import Job
from pages.ui.site import server, store
from pages.ui.study import checked, claims_file
from questions import Question, load_question, load_questions
from tests.pages.conftest import CountingClient, OpenApp, settle_predictions

QUESTION = load_question("q09_accumulation")
FIRST = QUESTION.claims[0]


def open_reference(question: Question = QUESTION) -> None:
    attempt = settle_predictions(question.slug)
    store.store().attempts.update(attempt, help_used=[store.REFERENCE])


@pytest.fixture
def opened(open_app: OpenApp, worker: CountingClient) -> AppTest:
    """The page with one reference open, and its fold too."""
    open_reference()
    app = open_app("claims")
    worker.submitted.clear()
    return unfolded(app)


def unfolded(app: AppTest) -> AppTest:
    """The page drawn again with the question's fold open; the test's browser forgets that it is."""
    app.session_state[f"claims.{QUESTION.key}.open"] = True
    return app.run()


def said(app: AppTest) -> str:
    found = [element.value for kind in ("markdown", "caption", "code") for element in app.get(kind)]
    return "\n".join([*found, *(fold.label for fold in app.expander)])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_closed_reference_keeps_its_claims(open_app: OpenApp, lang: str) -> None:
    settle_predictions(QUESTION.slug)
    app = open_app("claims", lang=lang)
    words = said(app)
    for question in load_questions():
        assert f"[{question.id}]({question.slug})" in words
        assert not [claim.id for claim in question.claims if claim.id in words]
    assert not app.expander and not app.get("download_button")


def test_an_open_reference_shows_all_of_them(opened: AppTest, worker: CountingClient) -> None:
    words = said(opened)
    assert all(f"{claim.id} ·" in words for claim in QUESTION.claims)
    assert f"[{QUESTION.id}]({QUESTION.slug})" not in words and "(q10_grad_scaler)" in words
    assert f"{len(QUESTION.claims)} claims" in words and not worker.submitted


def test_they_are_found_by_words_status_and_kind(opened: AppTest) -> None:
    def ids(app: AppTest) -> set[str]:
        return {claim.id for claim in QUESTION.claims if f"{claim.id} ·" in said(app)}

    app = unfolded(opened.text_input(key="claims.search").set_value(FIRST.id + " ").run())
    assert FIRST.id in ids(app) and all(name.startswith(FIRST.id) for name in ids(app))
    app.text_input(key="claims.search").set_value("").run()
    app = unfolded(app.selectbox(key="claims.kind").set_value("measured").run())
    assert ids(app) == {claim.id for claim in QUESTION.claims if claim.kind == "measured"}
    app.text_input(key="claims.search").set_value("nowhere to be found").run()
    assert not ids(app) and "No claim in sight fits" in said(app)


def test_all_are_checked_by_one_click_and_the_verdicts_stand_beside_them(
    opened: AppTest, worker: CountingClient
) -> None:
    app = unfolded(opened.button(key=f"claims.{QUESTION.key}.check").click().run())
    assert worker.submitted == ["evidence/question"]
    count = len(checked_claims(QUESTION))
    assert f"{count} agree here" in said(app) and "Checked on " in said(app)
    assert sum(":green[**✓ Agrees**]" in fold.label for fold in app.expander) == count


def test_the_fold_stays_open_when_its_line_says_what_was_found(opened: AppTest) -> None:
    """Or the sentence about a run that failed, and the button to try again, would be folded away."""
    assert [fold.proto.expanded for fold in opened.expander if "Q9" in fold.label] == [True]
    before = [fold.label for fold in opened.expander if "Q9" in fold.label]
    opened.button(key=f"claims.{QUESTION.key}.check").click().run()
    assert [fold.label for fold in opened.expander if "Q9" in fold.label] != before
    assert [fold.proto.expanded for fold in opened.expander if "Q9" in fold.label] == [True]


def test_a_verdict_on_other_texts_is_none(monkeypatch: pytest.MonkeyPatch, worker: CountingClient) -> None:
    params = QuestionCheck.params.from_dict({"question": QUESTION.key})
    job = Job("evidence/question", params, lambda _job: None)
    verdict = {"id": FIRST.id, "kind": FIRST.kind, "agrees": True, "measured": 1, "expected": 1}
    record = {
        "result": {"verdicts": [verdict | {"tolerance": None, "reason": ""}], "digest": digest(QUESTION)}
    }
    job.end("done", record=record)  # type: ignore[arg-type]
    assert checked.verdicts(QUESTION, job)[FIRST.id].agrees is True
    record["result"]["digest"] = digest(load_question("q06_gqa"))
    assert FIRST.id not in checked.verdicts(QUESTION, job)


def test_what_is_saved_has_words_and_verdicts(worker: CountingClient) -> None:
    checked_here = worker.submit("evidence/question", {"question": QUESTION.key})

    class Kept:
        status = worker.status

        def find(self, name: str, _params: Params) -> Job | None:
            return checked_here if name == "evidence/question" else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "worker", Kept)
        saved = json.loads(claims_file.as_json([(QUESTION, QUESTION.claims[:2])]))["claims"]
    assert [claim["id"] for claim in saved] == [claim.id for claim in QUESTION.claims[:2]]
    for claim in saved:
        assert claim["question"] == "Q9" and claim["truth"] and "{" not in claim["statement"]
        assert claim["here"]["agrees"] is True and claim["here"]["device"] and claim["here"]["date"]


def test_a_question_that_does_not_exist_is_refused_with_the_names_of_those_that_do() -> None:
    client = InlineClient.start("cpu")
    job = client.submit("evidence/question", {"question": "q99"})
    assert job.state == "failed" and "q01, q02" in str(job.error)


def test_the_checks_emit_as_they_go_and_what_they_give_is_data() -> None:
    job = InlineClient.start("cpu").submit("evidence/question", {"question": QUESTION.key})
    assert job.result is not None and job.params is not None
    assert [partial["verdict"] for partial in job.partials] == job.result["verdicts"]
    assert QuestionCheck().so_far(job.params, job.partials) == job.result  # type: ignore[arg-type]
    assert json.loads(json.dumps(job.result)) == job.result
