"""A broken content file is named with its key and the reason, whichever file it is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from questions import QuestionError, Renderer, load_question, load_questions
from questions.loader import read_question

SLUG = "q13_sampling"
SOURCE = Path(load_question.__code__.co_filename).parent / SLUG
Broken = Callable[[str, str, str], str]


@pytest.fixture
def broken(tmp_path: Path) -> Broken:
    """The complaint after one replacement in one file of a good question."""

    def complaint(name: str, old: str, new: str) -> str:
        folder = tmp_path / SLUG
        shutil.copytree(SOURCE, folder)
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(QuestionError) as caught:
            read_question(folder / "question.toml")
        path, _, rest = str(caught.value).partition(": ")
        return f"{Path(path).name}: {rest}"

    return complaint


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("claims.toml", 'kind = "exact"', 'kind = "sure"', "claims.1.kind: must be one of exact, order"),
        ("claims.toml", 'status = "corrected"', "", "claims.toml: claims.1.status: is missing."),
        ("claims.toml", "formula = ", "formulae = ", "formulae: unknown key; did you mean formula?"),
        ("claims.toml", 'id = "Q13-C2"', 'id = "Q13-C1"', "claims.2.id: Q13-C1 is already taken."),
        ("claims.toml", 'id = "Q13-C1"', 'id = "Q6-C1"', "claims.1.id: must be Q13-C and a number"),
        ("claims.toml", "value = [0.6612", "values = [0.6612", "values: unknown key; did you mean value?"),
        ("claims.toml", "tolerance.absolute = 0.0057", "", "is missing; a claim of kind measured"),
        ("claims.toml", "tolerance.absolute = 0.0057", "tolerance.factor = 0.5", "a number of at least 1"),
        ("claims.toml", "tolerance.absolute = 0.0057", "tolerance.about = 1", "must have exactly one of"),
        ("claims.toml", "{said}: flatter", "{said.top}: flatter", "claims.toml: Q13-C2.common_en: "),
        ("claims.toml", "is {value}.", "is {value.top}.", "C1.statement_en: there is no item top"),
        ("claims.toml", "is {value}.", "is {given.logit}.", "there is no logit among logits, "),
        ("claims.toml", "is {value}.", "is so.", "Q13-C1.statement: names given.logits in English"),
        ("claims.toml", "[[claims]]", "[claims]", "claims.toml: cannot be read"),
        ("question.toml", "[[hints]]", "[[hint]]", "hint: unknown key; did you mean hints?"),
        ("question.toml", "`{given.logits}` and compute", "{Q13-C1} and compute", "hints.2.text"),
        ("question.toml", "How many tokens survive", "{Q13-C9.kept} or", "predictions.survivors.question"),
        ("question.toml", 'claim = "Q13-C9"', 'claim = "Q13-C99"', "there is no claim Q13-C99"),
        (
            "question.toml",
            'decided_by = "survivors"',
            'decided_by = "x"',
            "nucleus-size.decided_by: there is no",
        ),
        ("question.toml", "tier = 80", 'tier = "80"', "must be 60, 80, 100 or \"bonus\", not '80'"),
        (
            "question.toml",
            'id = "top-p-restricts"',
            'id = "temperature-randomness"',
            "rubric.2.id: temperature",
        ),
        ("question.toml", 'id = "top-p-restricts"', 'id = "Top p"', "a name in small letters"),
        ("question.toml", "tolerance.absolute = 0\n", "", "a number needs a tolerance"),
        ("question.toml", 'kind = "number"', 'kind = "choice"', "a choice needs at least two"),
        ("question.toml", "answer = 3", 'answer = "3"', "1.wrong_answers.1.answer: must be"),
        ("question.toml", "answer = 5", "answer = 6", "6 is outside the limits of its prediction"),
        ("question.toml", "whole = true", "whole = 1", "1.whole: must be true or false, not 1"),
        ("question.toml", "minimum = 0", 'minimum = "0"', "1.minimum: must be a number, not '0'"),
        ("question.toml", "maximum = 5", "maximum = 0", "1.maximum: must be larger than 0, not 0"),
        ("question.toml", "maximum = 5", "above = 0", "1.above: stands instead of minimum"),
        ("question.toml", "maximum = 5", "maximal = 5", "maximal: unknown key; did you mean maximum?"),
        ("question.toml", "factor = 2.302585", "factor = 1", "symbols.1.factor: must be a number above 1"),
        ("question.toml", 'predictions = ["hot-entropy"]', 'predictions = ["x"]', "1.predictions: must list"),
        ("question.toml", 'id = "temperature"', 'id = "decades"', "symbols.2.id: decades is already taken."),
        (
            "question.toml",
            'experiment = "q13/manual"',
            'experiment = "manual"',
            "1.experiment: must be such as",
        ),
        ("question.toml", 'prerequisites = ["Q3", "Q5"]', 'prerequisites = "Q3"', "must be a list"),
        ("question.toml", "examines_zh", "examines_fr", "examines_fr: unknown key"),
        ("en.md", "## In 90 seconds", "## In short", "sections, the first called In 90 seconds"),
        ("en.md", "### Often said, and wrong", "### Myths", "has no other ### heading"),
        ("en.md", "# Reference answer", "# Answer", "en.md: headings: must be # Question"),
        ("en.md", "## 3. Code that survives", "Code that survives", "the answer has 4 sections, and 3"),
        ("en.md", "`{given.nucleus}` for top-p", "{Q13-C5} for top-p", "en.md: question: {Q13-C5} would"),
        ("en.md", "{Q13-C13.truth}", "{Q13-C13.truht}", "en.md: 3. Code that survives a batch: there"),
        ("zh.md", "{Q13-C13.truth}", "", "batch 的代码: {Q13-C13.truth} stands"),
        ("zh.md", "# 题目", "前言\n\n# 题目", "zh.md: headings: must be # 题目"),
    ],
)
def test_it_names_file_key_and_reason(broken: Broken, name: str, old: str, new: str, complaint: str) -> None:
    said = broken(name, old, new)
    assert complaint in said and re.match(r"[a-z]+\.(toml|md): [^:]+: ", said)


@pytest.mark.parametrize("name", ["claims.toml", "en.md", "zh.md"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    shutil.copytree(SOURCE, tmp_path / SLUG)
    (tmp_path / SLUG / name).unlink()
    with pytest.raises(QuestionError, match=rf"{name}: cannot be read"):
        read_question(tmp_path / SLUG / "question.toml")


def test_a_header_alone_is_a_question_still_to_be_written(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / SLUG)
    file = tmp_path / SLUG / "question.toml"
    file.write_text(file.read_text(encoding="utf-8").partition("prerequisites")[0], encoding="utf-8")
    question = read_question(file)
    assert not question.written and question.claims == () and question.prose == {}


def test_prerequisites_must_exist(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / SLUG)
    with pytest.raises(QuestionError, match="prerequisites: there is no other question Q3"):
        load_questions(tmp_path)


def test_placeholders_render_alike_in_both_languages() -> None:
    question = load_question(SLUG)
    english, chinese = Renderer(question, "en"), Renderer(question, "zh")
    assert english.fill("{Q13-C4.definition}") == "3\N{NO-BREAK SPACE}tokens"
    assert chinese.fill("{Q13-C4.definition}") == "3\N{NO-BREAK SPACE}个词元"
    assert english.fill("{Q13-C1.1} {Q13-C3.second} {given.confident.1}") == "0.6612 4.54 × 10⁻⁵ 15"
    assert english.fill("```\n{Q13-C1}\n```") == "```\n{Q13-C1}\n```"
    with pytest.raises(LookupError, match="claim's own texts only"):
        english.fill("{value}")


def test_a_measured_claim_shows_a_number_only_from_a_run() -> None:
    question = load_question("q06_gqa")
    assert Renderer(question, "en").fill("{Q6-C18}") == "(measured in the lab)"
    assert Renderer(question, "zh", {"Q6-C18": 2}).fill("{Q6-C18}") == "2×"
