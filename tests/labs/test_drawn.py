"""What is drawn of every recorded run is what was read and found right: a wrong curve fails here.

The data lies beside the recording (`labs/claims/drawn.py`). After an intended change
`python -m labs record NAME --drawn` draws it anew, and the difference is read before it is kept.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest

from labs.claims.drawn import SUFFIX, drawings, dumps
from labs.claims.recordings import FOLDER
from labs.contract.experiment import Experiment
from labs.contract.registry import Registry

REGISTRY = Registry.discover()
EXPONENT = re.compile(r"\de[+-]\d\d")
RECORDED = [*REGISTRY.of_questions(), REGISTRY.find("machine/card")]
"""What is recorded and shown to people."""


@pytest.mark.parametrize("experiment", RECORDED, ids=lambda experiment: experiment.id)
def test_what_is_drawn_is_what_was_reviewed(experiment: Experiment[Any, Any]) -> None:
    for path, seen in drawings(REGISTRY, experiment):
        assert path.is_file(), f"{path.relative_to(FOLDER)} is missing: labs record {experiment.id} --drawn"
        reviewed = dumps(json.loads(path.read_text(encoding="utf-8")))
        changed = difflib.unified_diff(reviewed.split("\n"), dumps(seen).split("\n"), "reviewed", "now", n=1)
        assert equal(seen, json.loads(reviewed)), f"{path.relative_to(FOLDER)}\n" + "\n".join(
            list(changed)[:40]
        )


def test_no_drawing_is_left_without_its_recording() -> None:
    known = {path for experiment in RECORDED for path, _ in drawings(REGISTRY, experiment)}
    assert {path for path in FOLDER.rglob("*.json") if path.name.endswith(SUFFIX)} == known


def test_lists_and_numbers_are_written_as_in_a_text() -> None:
    """Sentences enumerate, though a cell may hold a shape; no number has the exponent of a program."""
    for path in FOLDER.rglob(f"*{SUFFIX}"):
        drawn = json.loads(path.read_text(encoding="utf-8"))
        said = [*drawn.get("notes", []), *drawn.get("numbers", {}), *texts_of(drawn["figures"])]
        assert not [text for text in said if re.search(r"\[ *-?\d", text)], path.relative_to(FOLDER)
        cells = texts_of(drawn.get("rows", []))
        assert not [text for text in (*said, *cells) if EXPONENT.search(text)], path.relative_to(FOLDER)


def test_no_label_stands_on_a_whisker() -> None:
    for path in FOLDER.rglob(f"*{SUFFIX}"):
        for name, figure in json.loads(path.read_text(encoding="utf-8"))["figures"].items():
            crossed = [
                trace.get("name")
                for trace in figure["traces"]
                if trace["type"] == "bar" and "text" in trace and {"error_x", "error_y"} & set(trace)
            ]
            assert not crossed, (path.relative_to(FOLDER), name)


def test_no_mark_stands_on_the_label_of_a_bar() -> None:
    """As wide as on a phone; where one could, what the mark says is a bar of its own."""
    covered = []
    for path in FOLDER.rglob(f"*{SUFFIX}"):
        for name, figure in json.loads(path.read_text(encoding="utf-8"))["figures"].items():
            axis, rows = figure["axes"].get("xaxis", {}), in_rows(figure)
            marks = [place for trace in rows if "markers" in trace.get("mode", "") for place in places(trace)]
            labels = [label for trace in rows if trace["type"] == "bar" for label in labels_of(trace, axis)]
            covered += [
                (path.relative_to(FOLDER), name, row)
                for row, x in marks
                for other, start, end in labels
                if row == other and start <= pixels(x, axis) <= end
            ]
    assert not covered


PLOT_PIXELS, GAP_PIXELS, LETTER_PIXELS, MARK_PIXELS = 200, 3, 7, 6
"""Between the axes at a width of 390, from a bar to its label, of a letter, and half of a mark."""


def in_rows(figure: dict[str, Any]) -> list[dict[str, Any]]:
    """The traces of a figure whose rows have names and whose axis has limits."""
    ranged = "range" in figure["axes"].get("xaxis", {})
    return [t for t in figure["traces"] if ranged and t.get("y") and isinstance(t["y"][0], str)]


def places(trace: dict[str, Any]) -> list[tuple[str, float]]:
    return [(row, x) for row, x in zip(trace["y"], trace["x"], strict=True) if isinstance(x, int | float)]


def labels_of(trace: dict[str, Any], axis: dict[str, Any]) -> Iterator[tuple[str, float, float]]:
    """From where to where each bar's label reaches, and a mark's half beyond; a space moves it on by half."""
    for (row, x), label in zip(places(trace), trace.get("text", []), strict=False):
        start = pixels(x, axis) + GAP_PIXELS + LETTER_PIXELS / 2 * (len(label) - len(label.lstrip()))
        yield row, start - MARK_PIXELS, start + LETTER_PIXELS * len(label.strip()) + MARK_PIXELS


def pixels(x: float, axis: dict[str, Any]) -> float:
    low, high = axis["range"]
    return PLOT_PIXELS * ((math.log10(x) if axis.get("type") == "log" else x) - low) / (high - low)


def equal(one: Any, other: Any) -> bool:
    """The same data; a number may differ by what processors differ by, also at the edge of its last digit."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-5)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def texts_of(part: Any) -> Iterator[str]:
    """Every text of drawn data."""
    if isinstance(part, dict | list):
        for item in part.values() if isinstance(part, dict) else part:
            yield from texts_of(item)
    elif isinstance(part, str):
        yield part
