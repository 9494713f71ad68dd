"""The texts of a question get their measured values from the recordings that ship."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from labs.claims.recorded_values import recorded_values
from labs.claims.recordings import FOLDER, recorded
from labs.contract.registry import Registry
from questions import Renderer, load_questions

REGISTRY = Registry.discover()
LABS = {experiment.lab for experiment in REGISTRY}
WITH_LAB = [question for question in load_questions() if question.key in LABS]


@pytest.mark.parametrize("question", WITH_LAB, ids=lambda question: question.id)
def test_every_measured_claim_of_a_lab_has_a_recorded_value(question) -> None:
    found = recorded_values(question, REGISTRY)
    measured = [claim for claim in question.claims if claim.kind == "measured" and claim.check is None]
    assert {claim.id for claim in measured} <= found.keys()
    for claim in measured:
        names = [record["device_name"] for record in recorded(claim.experiment or "")]
        assert found[claim.id][1] == names[0]
        assert names[0] == "NVIDIA H200" or "NVIDIA H200" not in names, "a GPU's come first"


def test_a_value_has_three_digits_and_its_source() -> None:
    question = next(one for one in WITH_LAB if one.id == "Q7")
    value, device = recorded_values(question, REGISTRY)["Q7-C8"]
    record = recorded("q07/lengths", FOLDER)[0]
    assert value == Decimal(f"{record['result']['growth']['rope']['2048']:.3g}")
    said = Renderer(question, "en", {"Q7-C8": value}, {"Q7-C8": f" (on {device})"}).fill("{Q7-C8.truth}")
    assert f"grows {value}× (on NVIDIA H200), and more" in said


def test_without_recordings_the_text_says_that_it_is_measured(tmp_path: Path) -> None:
    assert recorded_values(WITH_LAB[0], REGISTRY, tmp_path) == {}


def test_a_text_names_the_device_of_its_values_once() -> None:
    question = next(one for one in WITH_LAB if one.id == "Q11")
    found = recorded_values(question, REGISTRY)
    measured = {name: value for name, (value, _) in found.items()}
    sources = {name: f" (on {device})" for name, (_, device) in found.items()}
    said = Renderer(question, "en", measured, sources).fill("{Q11-C19.truth}")
    assert said.count("(on NVIDIA H200)") == 1
    assert re.search(r"anomaly mode takes \S+× \(on NVIDIA H200\)", said)
    here = Renderer(question, "en", measured, sources | {"Q11-C21": " (here)"})
    both = here.fill("{Q11-C21} {value.loss} {value.hooks}", question.claim("Q11-C19"))
    assert both.count("(on NVIDIA H200)") == 2, "two sources: each value says its own"
