"""What the browser does to a figure: larger letters for a room, folded names on a phone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pages.ui.lab import charts
from tests.pages.study.test_draft_js import node

SCENE = """
globalThis.IntersectionObserver = class { observe() {} unobserve() {} }
globalThis.addEventListener = () => {}
"""
ROWS = ["先裁剪，后反缩放", "每个 micro-batch 都反缩放并 update", "<b>粗体的一个相当长的名字，照样不动</b>"]


def run(expression: str) -> Any:
    """The value of a JavaScript expression where the functions of plot.js are known."""
    script = Path(charts.__file__).with_name("plot.js").read_text(encoding="utf-8")
    module = script.replace("export default", "const draw =")
    code = f"{SCENE}{module}\nconsole.log(JSON.stringify({expression}))"
    done = subprocess.run([node(), "-e", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def figure(rows: list[Any], **axis: Any) -> str:
    return json.dumps({"data": [{"type": "bar", "y": rows}], "layout": {"yaxis": axis}}, ensure_ascii=False)


def test_every_letter_grows_and_nothing_else() -> None:
    drawn = {
        "data": [{"x": [1, 2], "marker": {"size": 8}, "textfont": {"size": 12}}],
        "layout": {"font": {"size": 14}, "annotations": [{"text": "a", "font": {"size": 13}}]},
    }
    grown = run(f"enlarged({json.dumps(drawn)}, 1.5)")
    assert grown["layout"] == {"font": {"size": 21}, "annotations": [{"text": "a", "font": {"size": 19.5}}]}
    assert grown["data"] == [{"x": [1, 2], "marker": {"size": 8}, "textfont": {"size": 18}}]


def test_long_names_of_rows_are_folded_on_a_phone_only() -> None:
    axis = run(f"narrowed({figure(ROWS)}, 320, 360).layout.yaxis")
    assert axis["tickvals"] == ROWS
    assert axis["ticktext"] == [ROWS[0], "每个 micro-batch<br>都反缩放并 update", ROWS[2]]
    assert run(f"narrowed({figure(ROWS)}, 800, 360).layout.yaxis") == {}
    assert run(f"narrowed({figure([1.5, 2.5])}, 320, 360).layout.yaxis") == {}


def test_where_rows_are_low_their_names_only_get_smaller() -> None:
    axis = run(f"narrowed({figure(ROWS * 4, ticktext=ROWS * 4)}, 320, 360).layout.yaxis")
    assert axis["ticktext"] == ROWS * 4 and axis["tickfont"] == {"size": 12}


@pytest.mark.parametrize("name", ["100,000<br>4 tokens<br>logits at every position", "每个位置都算 logits"])
def test_long_names_of_columns_are_folded_where_their_lines_fit(name: str) -> None:
    columns = json.dumps(
        {"data": [], "layout": {"xaxis": {"tickvals": [0, 1, 2, 3], "ticktext": [name] * 4}}}
    )
    axis = run(f"narrowed({columns}, 340, 360).layout.xaxis")
    assert axis["tickangle"] == 0 and axis["ticktext"][0].replace("<br>", "").replace(" ", "") == (
        name.replace("<br>", "").replace(" ", "")
    )
    assert all(len(line) <= 10 for line in axis["ticktext"][0].split("<br>"))
    assert run(f"narrowed({columns}, 180, 360)") == json.loads(columns), "a word is not parted"
    assert run(f"narrowed({columns}, 800, 360)") == json.loads(columns)


def test_a_number_in_a_pattern_has_the_pages_ink() -> None:
    style = 'globalThis.getComputedStyle = () => ({ color: "black" })'
    bars = json.dumps([{"marker": {"pattern": {}}}, {"marker": {}}])
    patterned, plain = run(f"({style}, inked({bars}))")
    assert patterned["insidetextfont"] == {"color": "black"} and "insidetextfont" not in plain


def test_areas_have_no_axis_to_fold_and_the_ink_of_the_page() -> None:
    drawn = json.dumps({"data": [{"type": "treemap"}, {"type": "bar"}], "layout": {}})
    assert run(f"narrowed({drawn}, 320, 360)") == json.loads(drawn)
    ink = "globalThis.getComputedStyle = () => ({ color: 'white' })"
    inked = run(f"({ink}, inked({drawn}.data, null))")
    assert inked == [{"type": "treemap", "textfont": {"color": "white"}}, {"type": "bar"}]
