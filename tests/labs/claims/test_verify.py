"""`labs verify`: every claim has its check, every written digit is checked, and None is never a failure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from labs.__main__ import main
from labs.claims import verify
from labs.claims.checks import CannotCheck, Finding, checks_of, value_at
from labs.contract import jsonable
from labs.contract.registry import Registry
from labs.runner.inline import InlineClient
from questions import Claim, Question, Tolerance, load_question, load_questions
from questions.values import agree
from tests.labs.q00_specimens.kept import Kept

WRITTEN = [question for question in load_questions() if question.written]
CHECKED = [
    (question, claim)
    for question in WRITTEN
    for claim in question.claims
    if claim.kind == "exact" and claim.check in checks_of(question.slug)
]
PATTERN = load_question("q13_sampling")
REGISTRY = Registry(["tests.labs.q00_specimens"])


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.id)
def test_every_claim_that_can_be_run_has_a_check_and_every_check_a_claim(question: Question) -> None:
    wanted = {claim.check for claim in question.claims if claim.check is not None}
    assert wanted == checks_of(question.slug).keys()


@pytest.mark.parametrize(("question", "claim"), CHECKED, ids=lambda part: part.id)
def test_every_digit_of_an_exact_claim_is_checked(question: Question, claim: Claim) -> None:
    assert claim.check is not None
    answer = checks_of(question.slug)[claim.check]()
    measured = answer.measured if isinstance(answer, Finding) else answer
    assert agree(claim.value, measured)  # type: ignore[arg-type]
    for wrong in altered(claim.value):
        assert not agree(wrong, measured), f"{claim.id} also agrees with {wrong}"


def altered(value: Any) -> Iterator[Any]:
    """The value with each of its numbers off by two in the last digit, or another word."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from ({**value, name: other} for other in altered(item))
    elif isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from ((*value[:place], other, *value[place + 1 :]) for other in altered(item))
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, str):
        yield value + "?"
    else:
        yield value + 2 * Decimal(1).scaleb(Decimal(value).as_tuple().exponent)  # type: ignore[arg-type]


def test_the_command_prints_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "q13", "--device", "cpu", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert list(shown) == ["claims"] and len(shown["claims"]) == len(PATTERN.claims)
    for entry in shown["claims"]:
        assert list(entry) == [
            "id",
            "kind",
            "agrees",
            "measured",
            "expected",
            "tolerance",
            "reason",
            "key",
            "values",
        ]
        assert entry["agrees"] is True or (entry["agrees"] is None and entry["reason"])


@pytest.mark.parametrize(
    ("name", "sentence"), [("q99", "There is no question 'q99'"), ("x", "There is no question 'x'")]
)
def test_an_unknown_question_is_usage(capsys: pytest.CaptureFixture[str], name: str, sentence: str) -> None:
    assert main(["verify", name]) == 2
    assert sentence in capsys.readouterr().err


def test_a_claim_that_disagrees_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = with_claim(dataclasses.replace(PATTERN.claim("Q13-C20"), value=Decimal("0.5")))
    monkeypatch.setattr(verify, "load_questions", lambda: (wrong,))
    assert main(["verify", "q13", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["claims"][0]["agrees"] is False


def with_claim(claim: Claim) -> Question:
    return dataclasses.replace(PATTERN, claims=(claim,))


def raising(error: Exception) -> Any:
    def check() -> None:
        raise error

    return check


@pytest.mark.parametrize(
    ("check", "agrees", "reason"),
    [
        (lambda: 3, True, ""),
        (lambda: 4, False, "does not hold"),
        (lambda: Finding(False, 3), False, "does not hold"),
        (raising(CannotCheck("No GPU here.")), None, "No GPU here."),
        (raising(ZeroDivisionError("by 0")), False, "ZeroDivisionError: by 0"),
    ],
)
def test_what_a_check_may_answer(
    monkeypatch: pytest.MonkeyPatch, check: Any, agrees: bool | None, reason: str
) -> None:
    claim = dataclasses.replace(PATTERN.claim("Q13-C1"), value=3)
    monkeypatch.setattr(verify, "checks_of", lambda _slug: {"Q13-C1": check})
    [verdict] = verdicts(claim)
    assert verdict.agrees is agrees and reason in verdict.reason


def verdicts(claim: Claim, *, recordings: Path = Path("none")) -> list[verify.Verdict]:
    verifier = verify.Verifier(
        REGISTRY, lambda: InlineClient.start("cpu", registry=REGISTRY), recordings=recordings
    )
    return list(verifier.verdicts([with_claim(claim)]))


def measured_claim(experiment: str, measures: str) -> Claim:
    return dataclasses.replace(
        PATTERN.claim("Q13-C19"),
        value=None,
        check=None,
        experiment=experiment,
        measures=measures,
        tolerance=Tolerance("relative", 0.1),
    )


def record(folder: Path, experiment: str, device_name: str, result: dict[str, Any]) -> None:
    path = folder / experiment / "x.json"
    path.parent.mkdir(parents=True)
    path.write_text(jsonable.dumps({"device": "cpu", "device_name": device_name, "result": result}))


def test_a_measured_claim_is_compared_with_the_recorded_run(tmp_path: Path) -> None:
    here = InlineClient.start("cpu").status().device_name
    claim = measured_claim("q00/kept", "steps.3")
    [verdict] = verdicts(claim)
    assert verdict.agrees is None and verdict.measured == 2 and "no recorded run" in verdict.reason
    for folder, name, recorded, agrees in (
        ("a", here, 2.1, True),
        ("b", here, 4.0, False),
        ("c", "another", 4.0, None),
        ("d", "another", 2.0, True),
    ):
        record(tmp_path / folder, "q00/kept", name, {"steps": [0.0, 1.0, recorded]})
        [verdict] = verdicts(claim, recordings=tmp_path / folder)
        assert (verdict.agrees, verdict.measured, verdict.expected) == (agrees, 2, recorded)


def test_an_experiment_that_takes_minutes_waits_for_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kept, "seconds", lambda _self, _params, _device: 1e9)
    client = InlineClient.start("cpu", registry=REGISTRY)
    verifier = verify.Verifier(REGISTRY, lambda: client)
    [verdict] = verifier.verdicts([with_claim(measured_claim("q00/kept", "steps.3"))])
    assert verdict.agrees is None and "--full runs it" in verdict.reason


def test_a_lab_that_is_missing_or_too_slow_decides_nothing() -> None:
    [verdict] = verdicts(measured_claim("q00/no_such", "steps.3"))
    assert verdict.agrees is None and "still to come" in verdict.reason
    [verdict] = verdicts(measured_claim("q00/kept", "no.such.path"))
    assert verdict.agrees is False and "gives no no.such.path" in verdict.reason


def test_value_at_counts_lists_from_one() -> None:
    assert value_at({"a": [{"b": 1}, {"b": 2}]}, "a.2.b") == 2
    for path in ("a.0.b", "a.3.b", "b", "a.1.c"):
        with pytest.raises(LookupError):
            value_at({"a": [{"b": 1}, {"b": 2}]}, path)
