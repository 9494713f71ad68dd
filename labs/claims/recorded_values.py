"""What the measured claims of a question came to in our recorded runs, for its texts. No torch."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from labs.claims.recordings import FOLDER, recorded
from labs.claims.verdicts import read_claim
from labs.contract.registry import Registry
from questions import Claim, Question
from questions.values import Value

DIGITS = 3
"""Significant digits in a sentence: a measurement is not more certain than that."""


def recorded_values(
    question: Question, registry: Registry, folder: Path = FOLDER
) -> dict[str, tuple[Value, str]]:
    """(value, device name) by claim id, from the first recording that has one; GPUs come first."""
    found = {}
    for claim in question.claims:
        if claim.kind == "measured" and claim.experiment in registry and claim.measures is not None:
            held = _first(claim, registry, folder)
            if held is not None:
                found[claim.id] = held
    return found


def _first(claim: Claim, registry: Registry, folder: Path) -> tuple[Value, str] | None:
    experiment = registry.find(claim.experiment or "")
    for record in recorded(experiment.id, folder):
        value = read_claim(claim, experiment, record["result"])
        if value is not None:
            return _stated(value), record["device_name"]
    return None


def _stated(value: Any) -> Value:
    """A measured value in the form of a claim's, with the digits that a sentence shows."""
    if isinstance(value, dict):
        return {name: _stated(item) for name, item in value.items()}
    if isinstance(value, list):
        return tuple(_stated(item) for item in value)
    return Decimal(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
