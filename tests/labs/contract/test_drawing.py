"""Names at the ends of lines, ticks, and figures as plain data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.contract.drawing import Figure, error_bars, power_ticks, round_ticks
from labs.contract.labels import LABEL_GAP, spread_labels
from labs.tools.named_lines import NamedLines


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=9))
def test_names_are_moved_apart_and_keep_their_order(positions: list[float]) -> None:
    moved = spread_labels(positions, LABEL_GAP)
    assert np.argsort(positions, kind="stable").tolist() == np.argsort(moved, kind="stable").tolist()
    assert (np.diff(sorted(moved)) >= LABEL_GAP - 1e-9).all()
    if (np.diff(sorted(positions)) >= LABEL_GAP).all():
        assert moved == pytest.approx(positions)


def test_ticks_lie_within_the_axis() -> None:
    assert power_ticks(1e-7, 2, every=3) == {1e-6: "10<sup>-6</sup>", 1e-3: "10<sup>-3</sup>", 1.0: "1"}
    assert round_ticks(7, 120) == {10: "10", 20: "20", 50: "50", 100: "100"}


def test_arrays_gaps_and_infinities_become_plain_data() -> None:
    figure = Figure()
    figure.line(np.array([1, 2, 3]), np.array([0.5, np.nan, np.inf], np.float32), "measured", "x")
    assert figure.data[0]["y"] == [0.5, None, None] and figure.data[0]["x"] == [1, 2, 3]
    json.dumps(figure.to_dict(), allow_nan=False)


def test_lines_are_named_where_they_end_and_fit_the_axes() -> None:
    figure = Figure()
    lines = NamedLines(figure, also=[100.0])
    lines.draw({1: 10.0, 100: 1.0}, "measured", "to the end")
    lines.draw({1: 10.0, 100: None}, "formula", "without an end")
    lines.draw({1: 2.0, 10: 5.0}, "measured")
    assert lines.fit([1, 100]) == (pytest.approx(1 / 1.3), pytest.approx(130))
    (name,) = figure.layout["annotations"]
    assert (name["text"], name["x"], name["y"]) == ("to the end", 2, 0)  # exponents
    left, right = figure.layout["xaxis"]["range"]
    assert left < 0 and right > 2.5  # there is room for names
    assert [trace["meta"]["role"] for trace in figure.data] == ["measured", "formula", "measured"]


def test_a_line_that_can_be_dragged_is_the_one_drawn_last() -> None:
    figure = Figure()
    figure.bars([1.0], ["a"], "measured", horizontal=True)
    figure.line([0.5, 0.5], [0, 1], "peer")
    figure.drag("top_p", "p = {value}")
    assert figure.layout["meta"]["drag"] == {"field": "top_p", "trace": 1, "label": "p = {value}"}


@pytest.mark.parametrize("horizontal", [False, True])
def test_a_bars_label_stands_beyond_its_whisker(horizontal: bool) -> None:
    """As that of a bar that nobody sees, in the same place of its group, which ends as the whisker does."""
    figure, names, sizes = Figure(), ["a", "b"], [2.0, 3.0]
    whiskers = error_bars(sizes, [{"low": 1.5, "high": 2.5}, {"low": 2.0, "high": 5.0}])
    error = {"error_x" if horizontal else "error_y": whiskers}
    x, y = (sizes, names) if horizontal else (names, sizes)
    figure.bars(x, y, "measured", labels="{:.0f}", horizontal=horizontal, **error)
    bars, labelled = figure.data
    assert "text" not in bars and bars["showlegend"] is False
    assert labelled["text"] == ["2", "3"] and labelled["x" if horizontal else "y"] == [2.5, 5.0]
    assert labelled["offsetgroup"] == bars["offsetgroup"] and labelled["textposition"] == "outside"
    assert not labelled["showlegend"] and not {"error_x", "error_y"} & set(labelled)
