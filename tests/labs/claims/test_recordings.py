"""Every recorded run still fits its experiment: its settings are known, and its result can be drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labs.claims.recordings import FOLDER, variant
from labs.contract import jsonable
from labs.contract.registry import LANGUAGES, Registry

REGISTRY = Registry.discover()


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.json")), ids=lambda path: "-".join(path.parts[-3:]))
def test_a_recording_can_be_shown(path: Path) -> None:
    record = jsonable.loads(path.read_bytes())
    experiment = REGISTRY.find(record["experiment"])
    params = experiment.params.from_dict(record["params"])
    assert path.parent == FOLDER / experiment.id / variant(params), "it was not made at these settings"
    result = experiment.complete(params, record["result"])
    for language in LANGUAGES:
        words = REGISTRY.strings(language).__getitem__
        figures = experiment.figures(result, words)
        names = {words(f"{experiment.question}.figure.{experiment.name}.{name}") for name in figures}
        assert len(names) == len(figures)
        for figure in figures.values():
            json.loads(figure.to_json())
        experiment.table(result, words)
        experiment.numbers(result, words)
        experiment.notes(result, words)
