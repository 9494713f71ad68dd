"""The plot colours mean one thing each, and can be told apart on both backgrounds and by every eye."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path
from typing import get_args

import numpy as np
import plotly.graph_objects as go
import pytest

from labs.contract.drawing import Area, Figure, Role
from pages.ui.lab.charts import COLOURS, in_words, paint

ROOT = Path(__file__).resolve().parents[3]
CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
VISION = {  # Machado et al. 2009, severity 1, on linear RGB
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    light = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (light[1] + 0.05) / (light[0] + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of linear RGB."""
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    xyz = np.array(to_xyz) @ rgb / [0.95047, 1, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(np.maximum(xyz, 1e-9)), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_every_role_has_a_colour() -> None:
    assert set(COLOURS) == set(get_args(Role))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("role", COLOURS)
def test_marks_stand_out_from_the_background(role: str, theme: str) -> None:
    assert contrast(COLOURS[role], CONFIG[theme]["backgroundColor"]) >= 3


@pytest.mark.parametrize("vision", VISION)
def test_the_four_meanings_look_different(vision: str) -> None:
    seen = [
        lab(np.clip(np.array(VISION[vision]) @ linear(COLOURS[role]), 0, 1))
        for role in ("predicted", "formula", "measured", "said")
    ]
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) > 18


def test_words_in_the_text_have_the_colours_of_the_plots() -> None:
    roles = {"violet": "predicted", "blue": "formula", "green": "measured", "orange": "said", "gray": "peer"}
    assert {name: CONFIG[f"{name}Color"] for name in roles} == {
        name: COLOURS[role] for name, role in roles.items()
    }


def test_white_text_can_be_read_on_primary_buttons() -> None:
    assert all(contrast("#ffffff", CONFIG[theme]["primaryColor"]) >= 4.5 for theme in ("light", "dark"))


def painted(figure: Figure, *, recorded: bool = False) -> go.Figure:
    return go.Figure(paint(figure, recorded=recorded))


def test_no_mark_differs_by_colour_alone() -> None:
    drawn = Figure()
    drawn.bars([1], ["a"], "measured")
    drawn.bars([1], ["a"], "removed")
    drawn.line([1], [1], "measured")
    drawn.line([1], [1], "recorded")
    figure = painted(drawn)
    kept, removed, line, recorded = figure.data
    assert kept.marker.color == COLOURS["measured"] and kept.marker.pattern.shape is None
    assert removed.marker.pattern.shape == "/"
    assert (line.line.dash, recorded.line.dash) == ("solid", "dash")


def test_text_can_be_read_on_every_cell_of_a_heat_map() -> None:
    drawn = Figure()
    drawn.heat([[0, 1]], ["a", "b"], ["c"], "measured", hover="%{z}")
    figure = painted(drawn)
    assert not figure.data[0].showscale
    for theme in ("light", "dark"):
        ground, text = CONFIG[theme]["backgroundColor"], CONFIG[theme]["textColor"]
        for _, colour in figure.data[0].colorscale:
            assert contrast(text, blended(colour, ground)) > 4.5


AREAS: list[Area] = [
    {"id": "all", "label": "all", "parent": "", "value": 3, "text": "100%"},
    {"id": "one", "label": "one", "parent": "all", "value": 2, "text": "67%"},
    {"id": "two", "label": "two", "parent": "all", "value": 1, "text": "33%", "role": "removed"},
]


@pytest.mark.parametrize("recorded", [False, True])
def test_text_can_be_read_on_every_area_and_what_was_left_out_is_hatched(recorded: bool) -> None:
    drawn = Figure()
    drawn.areas(AREAS, "measured", hover="%{value}")
    figure = painted(drawn, recorded=recorded)
    (areas,) = figure.data
    assert areas.marker.pattern.shape == ("", "." if recorded else "", "/")
    assert areas.labels == ("all 100%", "one", "two"), "plotly writes only its label on what holds others"
    assert areas.marker.line.color[0] == COLOURS["recorded" if recorded else "measured"]
    for theme in ("light", "dark"):
        ground, text = CONFIG[theme]["backgroundColor"], CONFIG[theme]["textColor"]
        assert min(contrast(text, blended(colour, ground)) for colour in areas.marker.colors) > 4.5
    assert figure.layout.xaxis.title.text is None and drawn.data[0]["meta"]["roles"][2] == "removed"


def test_areas_are_told_in_words() -> None:
    drawn = Figure()
    drawn.areas(AREAS, "measured", hover="%{value}")
    assert in_words(drawn, "Weights", ", ") == "Weights: all 100%, one 67%, two 33%"


def blended(colour: str, ground: str) -> str:
    """An "rgba(…)" colour on an opaque background."""
    *channels, alpha = (float(part) for part in colour.removeprefix("rgba(").removesuffix(")").split(","))
    under = [int(ground[start : start + 2], 16) for start in (1, 3, 5)]
    return "#" + "".join(
        f"{round(over * alpha + below * (1 - alpha)):02x}"
        for over, below in zip(channels, under, strict=True)
    )


def test_the_name_of_an_axis_is_as_large_as_the_rest_and_keeps_its_words() -> None:
    drawn = Figure()
    drawn.bars([1], [1], "measured")
    drawn.y_axis("Time (ms)")
    layout = painted(drawn).layout
    assert layout.yaxis.title.text == "Time (ms)" and layout.yaxis.title.font.size == layout.font.size
    assert layout.xaxis.title.text is None


def test_words_without_a_role_have_no_colour_of_ours() -> None:
    drawn = Figure()
    drawn.words([1], [1], ["here"])
    assert painted(drawn).data[0].marker.color is None


def test_a_recorded_run_is_drawn_as_one_and_the_figure_stays_as_it_was() -> None:
    drawn = Figure()
    drawn.line([1, 2], [1, 2], "measured")
    assert painted(drawn, recorded=True).data[0].line.dash == "dash"
    assert drawn.data[0]["meta"] == {"role": "measured"} and "line" not in drawn.data[0]
