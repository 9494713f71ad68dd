"""The question bank reads, and a broken file is named with its key and the reason."""

from pathlib import Path

import pytest

from questions.loader import PARTS, Question, QuestionError, load_questions, read_question

QUESTIONS = Path(load_questions.__code__.co_filename).parent
GOOD = """id = "Q1"
slug = "q01_x"
part = 1
level = 1
minutes = [5, 10]
title_en = "A"
title_zh = "甲"
short_en = "a"
short_zh = "乙"
"""
MINUTES = {1: (5, 10), 2: (10, 15), 3: (15, 30)}
"""How long an answer takes at each level, as questions/README.md says."""


def write(folder: Path, text: str, slug: str = "q01_x") -> Path:
    path = folder / slug / "question.toml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    return path


def test_every_folder_is_a_question_and_no_part_is_empty() -> None:
    questions = load_questions()
    folders = {path.name for path in QUESTIONS.glob("q*_*") if path.is_dir()}
    assert {question.slug for question in questions} == folders
    numbers = [question.number for question in questions]
    assert numbers == sorted(set(numbers))
    assert {question.part for question in questions} == set(PARTS)


@pytest.mark.parametrize("question", load_questions(), ids=lambda question: question.key)
def test_the_minutes_follow_the_level(question: Question) -> None:
    assert question.minutes == MINUTES[question.level]


def test_a_good_file_reads(tmp_path: Path) -> None:
    question = read_question(write(tmp_path, GOOD))
    assert (question.id, question.minutes, question.title["zh"]) == ("Q1", (5, 10), "甲")


@pytest.mark.parametrize(
    ("old", "new", "key", "reason"),
    [
        ("level = 1", "level = 4", "level", "must be one of 1, 2, 3, not 4"),
        ("level = 1", "level = true", "level", "not True"),
        ("level = 1", "", "level", "is missing"),
        ("level = 1", "levle = 1", "levle", "did you mean level?"),
        ("minutes = [5, 10]", "minutes = [10, 5]", "minutes", "shortest and longest"),
        ("minutes = [5, 10]", "minutes = 5", "minutes", "not 5"),
        ('title_zh = "甲"', 'title_zh = " "', "title_zh", "must be a text"),
        ('id = "Q1"', 'id = "13"', "id", "such as Q13"),
        ('slug = "q01_x"', 'slug = "q02_x"', "slug", "its folder's name, 'q01_x'"),
        ("part = 1", "part = ", "cannot be read", "line 3"),
    ],
)
def test_a_broken_file_names_file_key_and_reason(
    tmp_path: Path, old: str, new: str, key: str, reason: str
) -> None:
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(QuestionError) as caught:
        load_questions(tmp_path)
    assert str(caught.value).startswith(f"{path}: {key}: ")
    assert reason in str(caught.value)


def test_two_questions_cannot_share_a_number(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, GOOD.replace("q01_x", "q01_y"), "q01_y")
    with pytest.raises(QuestionError, match="id: Q1 is already taken by q01_"):
        load_questions(tmp_path)
