"""One claim checked as an experiment: the same verdict as `labs verify`, one sentence for a wrong id."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict
from decimal import Decimal

import pytest

from labs.claims.verify import Verifier
from labs.contract.registry import Registry
from labs.evidence import claim as evidence
from labs.runner.inline import InlineClient
from questions import load_question

REGISTRY = Registry.discover()
QUESTION = load_question("q13_sampling")


@pytest.fixture(scope="module")
def client() -> InlineClient:
    return InlineClient.start("cpu", registry=REGISTRY)


def test_the_verdict_is_that_of_verify(client: InlineClient) -> None:
    expected = {
        verdict.id: asdict(verdict) for verdict in Verifier(REGISTRY, lambda: client).verdicts([QUESTION])
    }
    for name in ("Q13-C1", "Q13-C4", "Q13-C13", "Q13-C19"):
        assert client.submit("evidence/claim", {"claim": name}).result == expected[name]
        assert expected[name]["agrees"] is True


def test_a_claim_that_does_not_hold_disagrees(client: InlineClient, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = dataclasses.replace(QUESTION.claim("Q13-C20"), value=Decimal("0.5"))
    monkeypatch.setattr(evidence.ClaimParams, "find", lambda self: (QUESTION, wrong))
    result = client.submit("evidence/claim", {"claim": "Q13-C20"}).result
    assert result is not None
    assert (result["agrees"], result["measured"]["multiplied"], result["expected"]) == (False, -2.4, 0.5)
    monkeypatch.setattr(evidence, "checks_of", lambda _slug: {})
    result = client.submit("evidence/claim", {"claim": "Q13-C20"}).result
    assert result is not None and result["agrees"] is None


@pytest.mark.parametrize("name", ["Q13-C99", "Q13-C15", ""])
def test_what_cannot_be_checked_is_one_sentence(client: InlineClient, name: str) -> None:
    job = client.submit("evidence/claim", {"claim": name})
    assert job.error == f"There is no claim {name!r} with a check."


def test_it_belongs_to_no_question() -> None:
    assert "evidence/claim" not in {experiment.id for experiment in REGISTRY.of_questions()}
