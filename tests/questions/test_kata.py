"""The table `[kata]`: a task in both languages and a signature that Python can read."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from questions import load_questions
from questions.entry import Entry, QuestionError
from questions.kata import read_kata

TABLE = {"task_en": "Add.", "task_zh": "相加。", "signature": 'def add(a, b):\n    """a + b."""'}


def entry(**changes: Any) -> Entry:
    return Entry(Path("question.toml"), {"kata": TABLE | changes})


def test_a_question_may_have_none() -> None:
    assert read_kata(Entry(Path("question.toml"), {})) is None
    found = read_kata(entry())
    assert found is not None and found.task["zh"] == "相加。"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"signature": "def add(a, b)"}, "kata.signature: is not Python"),
        ({"task_zh": ""}, "kata.task_zh: must be a text"),
        ({"tests": "x"}, "kata.tests: unknown key"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, str], said: str) -> None:
    with pytest.raises(QuestionError, match=said):
        read_kata(entry(**changes))


def test_every_signature_is_one_documented_function_without_a_body() -> None:
    for question in load_questions():
        if question.kata is not None:
            (function,) = ast.parse(question.kata.signature).body
            assert isinstance(function, ast.FunctionDef) and ast.get_docstring(function)
            assert len(function.body) == 1
