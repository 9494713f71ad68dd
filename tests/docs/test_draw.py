"""The plots of docs/benchmarks.md are those of its data, and are read in light and in dark."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs import draw

DOCS = Path(draw.__file__).parent
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", draw.pictures())
def test_a_plot_is_drawn_from_the_data_and_shown(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == draw.pictures()[name], "run: python -m docs.draw"
    assert f"]({name})" in (DOCS / "benchmarks.md").read_text(encoding="utf-8")


def test_no_plot_is_left_over() -> None:
    assert {path.name for path in DOCS.glob("benchmarks-*.svg")} == set(draw.pictures())


def test_bars_are_as_long_as_their_values_and_the_line_stands_at_one() -> None:
    bars = [{"label": "a < b", "value": 1.0}, {"label": "c", "value": 2.0, "low": 1.5, "high": 4.0}]
    root = ElementTree.fromstring(
        draw.svg({"title": "t", "unit": "u", "digits": 1, "ratio": True, "bars": bars})
    )
    short, long = (float(rect.attrib["width"]) for rect in root.iter(f"{SVG}rect"))
    assert long == pytest.approx(2 * short, abs=0.2)
    (one,) = (line for line in root.iter(f"{SVG}line") if line.attrib["class"] == "one")
    assert float(one.attrib["x1"]) == pytest.approx(draw.LABELS + short, abs=0.2)
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "a < b" in texts and "2.0 [1.5–4.0]" in texts


def test_words_are_seen_on_white_and_on_black() -> None:
    inks = re.findall(r"text (?:\{|.*?fill:)[^}]*?fill: #(\w{6})", draw.STYLE)
    assert len(inks) == 2
    dark, light = (sum(int(ink[i : i + 2], 16) for i in (0, 2, 4)) / 765 for ink in inks)
    assert dark < 0.3 and light > 0.8
