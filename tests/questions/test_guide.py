"""The guide: both languages say the same, its examples are claims, and a broken file is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from questions import QuestionError, load_questions
from questions.guide import FOLDER, guide


def test_both_languages_have_the_same_parts_tables_and_numbers() -> None:
    for english, chinese in zip(*guide().parts.values(), strict=True):
        assert english.title != chinese.title
        for sign in ("\n- ", "\n| ", "{count}", "{shortest}", "{longest}"):
            assert english.body.count(sign) == chinese.body.count(sign), (english.title, sign)


def test_each_example_is_a_claim_against_what_is_commonly_said() -> None:
    claims = {claim.id: claim for question in load_questions() for claim in question.claims}
    for example in guide().examples:
        assert claims[example.claim].common is not None, example.claim
        assert claims[example.claim].status in ("corrected", "unsupported"), example.claim


def test_the_mock_interview_adds_up_and_fits_the_levels() -> None:
    [part] = [part for part in guide().parts["en"] if "mock interview of 45 minutes" in part.body]
    assert (
        "one junior question (7 minutes), one senior (12), one staff (22) and your own questions (4)"
        in part.body
    )
    assert 7 + 12 + 22 + 4 == 45
    minutes = {question.level: question.minutes for question in load_questions()}
    for level, planned in ((1, 7), (2, 12), (3, 22)):
        shortest, longest = minutes[level]
        assert shortest <= planned <= longest


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("zh.md", "# 标题\n", "differ in their number of headings"),
        ("en.md", "no title\n", "must begin with its title"),
        ("examples.toml", "[[examples]]\nclaim = 'Q6'\nlesson_en = 'a'\nlesson_zh = 'b'\n", "such as Q6-C1"),
        ("examples.toml", "examples = [", "cannot be read"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, file: str, text: str, complaint: str) -> None:
    folder = tmp_path / "guide"
    shutil.copytree(FOLDER, folder)
    (folder / file).write_text(text, encoding="utf-8")
    with pytest.raises(QuestionError, match=complaint):
        guide(folder)
