"""Claims checked on the page: the verdict of `labs verify`, by the worker, and only in an open reference."""

from __future__ import annotations

import dataclasses

import pytest
from streamlit.testing.v1 import AppTest

from labs.runner.job import Job
from pages.ui.study import evidence
from questions import Claim, Tolerance, load_question
from tests.pages.conftest import CountingClient, OpenApp, settle_predictions

PAGE = "q13_sampling"
QUESTION = load_question(PAGE)


@pytest.fixture
def opened(open_app: OpenApp, worker: CountingClient) -> AppTest:
    """Question 13 with its reference open."""
    settle_predictions(PAGE)
    app = open_app(PAGE)
    app.button(key=f"{QUESTION.key}.reference").click().run()
    worker.submitted.clear()
    return app


def check(app: AppTest, name: str) -> AppTest:
    return app.button(key=f"evidence.{name}.run").click().run()


def said(app: AppTest) -> list[str]:
    return [element.value for element in app.markdown]


def test_nothing_is_checked_unasked_nor_before_the_reference_is_open(
    open_app: OpenApp, worker: CountingClient
) -> None:
    settle_predictions(PAGE)
    app = open_app(PAGE)
    assert not [button for button in app.button if str(button.key).startswith("evidence.")]
    app.button(key=f"{QUESTION.key}.reference").click().run()
    keys = {button.key for button in app.button}
    assert {f"evidence.{claim.id}.run" for claim in QUESTION.claims if claim.check} <= keys
    assert "evidence.Q13-C15.run" not in keys and "evidence/claim" not in worker.submitted
    captions = [caption.value for caption in app.caption]
    assert "In the lab: Starting points, tested" in captions and "In the lab: Your own numbers" in captions


def test_a_claim_is_checked_by_the_worker_and_agrees(opened: AppTest, worker: CountingClient) -> None:
    app = check(opened, "Q13-C4")
    assert worker.submitted == ["evidence/claim"] and ":green[**✓ Agrees**]" in said(app)
    rows = app.table[-1].value.to_dict("records")
    assert {"Of": "strict_shift", "Computed or measured here": "4", "Expected": "4"} in rows


def test_a_claim_that_does_not_hold_says_so(
    opened: AppTest, worker: CountingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submit(experiment_id: str, params: dict[str, str], **_options: str) -> Job:
        job = Job(experiment_id, None, lambda _job: None)
        job.end(
            "done",
            record={
                "seconds": 1,
                "date": "",
                "versions": {},
                "device": "cpu",
                "device_name": "",
                "dtype": "fp32",
                "result": {
                    "id": params["claim"],
                    "kind": "exact",
                    "agrees": False,
                    "measured": 3,
                    "expected": 4,
                    "tolerance": {"absolute": 0.5},
                    "reason": "It does not hold here.",
                },
            },
        )
        return job

    monkeypatch.setattr(worker, "submit", submit)
    app = check(opened, "Q13-C22")
    assert ":red[**✗ Disagrees**]" in said(app)
    assert any("may differ by 0.5" in caption.value for caption in app.caption)


def test_a_measured_claim_runs_its_experiment(
    opened: AppTest, worker: CountingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = dataclasses.replace(
        QUESTION.claim("Q13-C19"),
        check=None,
        value=None,
        experiment="q13/bugs",
        measures="wiped_rows",
        tolerance=Tolerance("relative", 0.1),
    )
    verdict = evidence._judged(claim, worker.submit("q13/bugs"))
    assert verdict.measured == 6 and verdict.agrees in (True, None)
    assert drawn(dataclasses.replace(claim, experiment="q99/none")) == 0


def drawn(claim: Claim) -> int:
    """How many buttons the section of a claim has."""

    def script(claim: Claim) -> None:
        import streamlit as st

        from pages.ui.study.evidence import section

        st.session_state.setdefault("lang", "en")
        section(claim)

    return len(AppTest.from_function(script, args=(claim,), default_timeout=30).run().button)
