"""Every recorded run's main plot as a still picture: sound, within its frame, with the page's words."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from labs.claims.recordings import recorded
from labs.contract.drawing import Figure, error_bars
from labs.contract.experiment import Experiment
from labs.contract.registry import Registry
from pages.ui.lab.charts import paint
from pages.ui.lab.still.axis import axis_of
from pages.ui.lab.still.picture import WIDTH, is_drawable, svg
from pages.ui.words.i18n import LANGUAGES, catalogue
from pages.ui.words.markdown import Filled

REGISTRY = Registry.discover()
NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")


def main_figure(experiment: Experiment[Any, Any], language: str) -> Figure:
    """What the page draws of the first recording, or else of the formula."""
    strings = catalogue(language)
    kept = recorded(experiment.id)
    params = experiment.params.from_dict(kept[0]["params"]) if kept else experiment.params()
    result = kept[0]["result"] if kept else experiment.formula(params)
    shown = experiment.show(
        experiment.complete(params, result),
        lambda key, **values: Filled(strings[f"{experiment.lab}.{key}"], values),
    )
    return next(iter(shown.figures.values()))


def drawn(figure: Figure, alt: str = "alt") -> ElementTree.Element:
    return ElementTree.fromstring(svg(paint(figure), alt, height=figure.height or 360))


def texts(picture: ElementTree.Element) -> list[str]:
    return ["\n".join(line.text or "" for line in text) for text in picture.iter("text")]


@pytest.mark.parametrize("experiment", REGISTRY.of_questions(), ids=lambda experiment: experiment.id)
def test_every_main_plot_is_drawn_within_its_frame(experiment: Experiment[Any, Any]) -> None:
    for language in LANGUAGES:
        figure = main_figure(experiment, language)
        if not is_drawable(figure.to_dict()):
            continue
        picture = drawn(figure)
        height = float(picture.get("viewBox", "").split()[-1])
        said = texts(picture)
        assert said and not [text for text in said if re.search(r"</?[a-z]|\bnan\b|&\w+;", text)]
        for element in picture.iter():
            for name in ("x", "y", "d", "width", "height", "transform"):
                value = element.get(name, "")
                assert "nan" not in value and "inf" not in value, (element.tag, value)
            assert "nan" not in (element.get("viewBox") or "")
        for tspan in picture.iter("tspan"):
            assert 0 <= float(tspan.get("x", "")) <= WIDTH and 0 <= float(tspan.get("y", "")) <= height
        for axis in ("xaxis", "yaxis"):
            title = figure.layout.get(axis, {}).get("title", {}).get("text")
            hidden = figure.layout[axis].get("visible") is False if axis in figure.layout else False
            assert not title or hidden or "".join(title.split()) in ["".join(each.split()) for each in said]


def test_names_and_lengths_are_those_of_the_data() -> None:
    figure = Figure()
    figure.bars([1.0, 2.0], ["short", "long"], "measured", "here", horizontal=True, labels="{:g} ms")
    figure.marks([4.0], ["long"], "said", "<b>said</b> & written", error=None)
    figure.x_axis("time (ms)", from_zero=True)
    picture = drawn(figure, 'a "title" <b>')
    assert picture.get("aria-label") == 'a "title" <b>'
    assert {"short", "long", "1 ms", "2 ms", "time (ms)", "here", "said & written"} <= set(texts(picture))
    one, two = [float(bar.get("width", "")) for bar in picture.iter("rect")][:2]
    assert math.isclose(two, 2 * one, rel_tol=0.01)


def test_bars_stand_beside_each_other_on_each_other_or_at_their_base() -> None:
    def boxes(figure: Figure) -> list[tuple[float, float, float, float]]:
        found = [
            [float(bar.get(name, "")) for name in ("x", "y", "width", "height")]
            for bar in drawn(figure).iter("rect")
        ]
        return [(x, y, x + width, y + height) for x, y, width, height in found]

    for mode in (None, "stack", "overlay"):
        figure = Figure(barmode=mode)
        figure.bars(["a", "b"], [1.0, 2.0], "measured")
        figure.bars(["a", "b"], [3.0, 1.0], "formula")
        first, _, other, _ = boxes(figure)
        beside = first[2] <= other[0] + 0.1
        above = math.isclose(first[1], other[3], abs_tol=0.2)
        assert (beside, above) == {None: (True, False), "stack": (False, True), "overlay": (False, False)}[
            mode
        ]
    figure = Figure(barmode="overlay")
    figure.bars([1.0, 2.0], [0, 0], "measured", horizontal=True, base=[0.0, 1.0])
    first, other = boxes(figure)
    assert math.isclose(first[2], other[0], abs_tol=0.2) and math.isclose(
        other[2] - other[0], 2 * (first[2] - first[0]), rel_tol=0.01
    )


def test_a_whisker_reaches_from_low_to_high_and_a_gap_ends_a_line() -> None:
    figure = Figure()
    spans = [{"low": 1.0, "high": 4.0}]
    figure.marks([1.0], [2.0], "measured", error_y=error_bars([2.0], spans))
    figure.line([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, None, 5.0], "formula")
    picture = drawn(figure)
    path = next(path.get("d", "") for path in picture.iter("path") if path.get("class") == "spread")
    low, high = (
        float(NUMBER.findall(part)[-1]) for part in (path.split("h8")[0], path.split("V")[1].split("m")[0])
    )
    grid = 5.0  # the axis spans zero to five
    assert math.isclose(low - high, 3.0 * (height_of(picture) / grid), rel_tol=0.15)
    lines = [
        path.get("d", "")
        for path in picture.iter("path")
        if (path.get("d") or "").startswith("M") and "L" in path.get("d", "")
    ]
    assert sum(line.count("M") for line in lines) >= 2


def height_of(picture: ElementTree.Element) -> float:
    """Between the lowest and the highest line of the grid."""
    across = [
        path.get("d", "")
        for path in picture.iter("path")
        if path.get("class") == "grid" and "H" in path.get("d", "")
    ]
    heights = [float(NUMBER.findall(path)[1]) for path in across]
    return max(heights) - min(heights)


def test_ticks_are_round_and_no_two_stand_on_each_other() -> None:
    linear = axis_of({}, [0.0, 47.0])
    assert [text for _, text in linear.ticks] == ["0", "10", "20", "30", "40"]
    assert [text for _, text in axis_of({"tickformat": ".0%"}, [0.0, 1.0]).ticks][:2] == ["0%", "20%"]
    assert [text for _, text in axis_of({"type": "log"}, [0.01, 1e4]).ticks] == [
        "10⁻²",
        "10⁻¹",
        "1",
        "10",
        "100",
        "1k",
        "10k",
    ]
    assert [text for _, text in axis_of({}, [-0.5, 0.5]).ticks][:1] == ["−0.4"]
    figure = Figure()
    figure.bars([f"a rather long name of category {index}" for index in range(9)], [1.0] * 9, "measured")
    boxes = sorted(
        (float(text[0].get("x", "")), max(len(line.text or "") for line in text))
        for text in drawn(figure).iter("text")
        if "category" in "".join(line.text or "" for line in text) or text.get("text-anchor") == "middle"
    )
    for (x, length), (other, _) in itertools.pairwise(boxes):
        assert x + length * 3 <= other, "names of neighbours meet"


def test_what_the_model_wrote_is_text_and_nothing_else() -> None:
    figure = Figure()
    for token in ("<script>alert(1)</script>", "]]>", "&amp;", '"/><a href="//b.example">', "\u202e"):
        figure.bars([1.0], [token], "measured", token, horizontal=True, labels=[token])
    tags = {element.tag for element in drawn(figure, "<x>").iter()}
    assert tags <= {"svg", "text", "tspan", "path", "rect"}
