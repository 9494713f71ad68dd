"""Diagrams of the answers: said in words in both languages, and drawn as the formulas say."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest

from labs.q06_gqa.wiring import Wiring, WiringParams
from labs.q07_rope.scaling import multipliers
from minimind_core.model.config import RopeScaling
from questions import Question, QuestionError, Renderer, load_question, load_questions

DRAWN = [(question, name) for question in load_questions() for name in question.diagrams]
STYLE = Path(__file__).parents[2] / "pages/ui/site/style.css"
CHINESE = re.compile("[\u4e00-\u9fff]")
SVG = "{http://www.w3.org/2000/svg}"


def drawn(question: Question, name: str, language: str = "en") -> ET.Element:
    return ET.fromstring(Renderer(question, language).diagram(name))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("question", "name"), DRAWN, ids=[f"{q.key}-{name}" for q, name in DRAWN])
def test_it_is_said_in_words_in_each_language(question: Question, name: str, language: str) -> None:
    root = drawn(question, name, language)
    ids = Counter(element.get("id") for element in root.iter() if element.get("id"))
    assert root.get("role") == "img" and root.get("aria-labelledby", "").split() == list(ids)
    assert set(ids.values()) == {1}
    alternatives = [root.findtext(f"{SVG}title", ""), root.findtext(f"{SVG}desc", "")]
    assert all(bool(CHINESE.search(text)) == (language == "zh") for text in alternatives)
    assert len(alternatives[1]) > 40
    shown = [element.text or "" for element in root.iter(f"{SVG}text")]
    assert all(shown) and (language == "zh" or not any(map(CHINESE.search, shown)))
    assert not [text for text in (*shown, *alternatives) if re.search("[`{}]", text)]
    assert not any("lang" in element.attrib for element in root.iter())


@pytest.mark.parametrize(("question", "name"), DRAWN, ids=[f"{q.key}-{name}" for q, name in DRAWN])
def test_it_can_be_read_on_a_phone_and_has_its_look_from_the_page(question: Question, name: str) -> None:
    root = drawn(question, name)
    left, _, width, height = map(float, root.get("viewBox", "").split())
    assert left == 0 and width <= 360, "it is shown 310 px wide there, and its texts with it"
    for element in root.iter(f"{SVG}text"):
        assert 0 <= float(element.get("x", "")) <= width and 0 < float(element.get("y", "")) < height
    classes = {word for element in root.iter() for word in element.get("class", "").split()}
    known = set(re.findall(r"\.([a-z0-9-]+)", STYLE.read_text(encoding="utf-8")))
    assert classes <= known
    assert "\n\n" not in question.diagrams[name].source
    assert not re.search(r'(?:fill|stroke|style|onload|href)="', question.diagrams[name].source)


def test_yarn_is_drawn_as_the_formula_says() -> None:
    question = load_question("q07_rope")
    given = question.given
    points = re.findall(
        r"([\d.]+),([\d.]+)",
        drawn(question, "bands").find(f".//{SVG}polyline[@class='accent-line']").get("points"),
    )
    top, bottom = float(points[0][1]), float(points[-1][1])
    scaling = RopeScaling("yarn", given["factor"], given["original"])
    wanted = multipliers(given["head_dim"], given["base"], scaling)
    assert len(points) == len(wanted)
    unit = (bottom - top) / (1 - 1 / scaling.factor)
    assert [top + (1 - share) * unit for share in wanted] == pytest.approx(
        [float(y) for _, y in points], abs=0.1
    )


def test_each_query_head_is_wired_to_the_head_that_it_reads() -> None:
    root, lines = drawn(load_question("q06_gqa"), "wiring"), []
    for row in root.iter(f"{SVG}g"):
        heads = [float(rect.get("x", "")) + 17 for rect in row.iter(f"{SVG}rect")]
        ends = [float(path.get("d", "").rpartition("L")[2].split()[0]) for path in row.iter(f"{SVG}path")]
        lines.append([heads.index(end) for end in ends])
    formula = Wiring().formula
    assert lines == [formula(WiringParams(kv_heads=kv_heads))["grouped"] for kv_heads in (8, 2, 1)]


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("zh.md", "![](wiring.svg)", "", "zh.md: diagrams: the text shows nothing; the folder has wiring."),
        ("en.md", "![](wiring.svg)", "![](wire.svg)", "en.md: diagrams: the text shows wire; the folder has"),
        ("wiring.svg", '<desc lang="zh">', '<desc lang="fr">', "wiring.svg: desc: must stand once with"),
        ("wiring.svg", ">MHA<", ">{given.mha}<", "wiring.svg: en: there is no mha among"),
        ("wiring.svg", "</svg>", "", "wiring.svg: no element found"),
    ],
)
def test_a_broken_diagram_is_named(tmp_path: Path, name: str, old: str, new: str, complaint: str) -> None:
    source = Path(__file__).parents[2] / "questions/q06_gqa"
    shutil.copytree(source, tmp_path / "q06_gqa")
    path = tmp_path / "q06_gqa" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(QuestionError, match=re.escape(complaint)):
        load_question("q06_gqa", tmp_path)
