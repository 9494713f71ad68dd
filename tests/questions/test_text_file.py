"""What an editor, another encoding or a merge leaves in a content file is named by its line, not shown."""

from __future__ import annotations

import shutil
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from questions.entry import Entry
from questions.loader import QuestionError, load_question, read_question
from questions.prose import read_prose
from questions.text_file import TextFileError, read_text_file
from questions.values import read_tolerance, read_value
from tests.questions.test_loader import GOOD, write

PROSE = (
    "# Question\n\nWhy?\n\n# Reference answer\n\n## In 90 seconds\n\nSo.\n\n## 1. So\n\nSo.\n\n"
    "# Beyond the usual answer\n\nMore.\n"
)
HUGE = "9" * 400
ODD_NUMBERS = ("nan", "-nan", "inf", "-inf", "1e999", f"-{HUGE}.0", HUGE)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
def test_a_byte_order_mark_and_line_ends_of_windows_are_read(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "")
    path.write_bytes(GOOD.replace("\n", "\r\n").encode(encoding))
    assert read_question(path).title["zh"] == "甲"
    prose = tmp_path / "en.md"
    prose.write_bytes(PROSE.replace("\n", "\r\n").encode(encoding))
    assert read_prose(prose, "en").question == "Why?"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (GOOD.encode("utf-16"), "is UTF-16: save it as UTF-8."),
        (GOOD.encode("utf-32"), "is UTF-32: save it as UTF-8."),
        (GOOD.encode("gbk"), "line 7 is not UTF-8: save it as UTF-8."),
        (GOOD.replace('"A"', '"A\0"').encode(), "line 6 holds the control character U+0000: delete it."),
        (
            GOOD.replace('"A"', '"A\x1b[31m"').encode(),
            "line 6 holds the control character U+001B: delete it.",
        ),
        (
            b"a = 1\n<<<<<<< HEAD\nb = 2\n",
            "line 2 is the mark of an unfinished merge, <<<<<<<: finish the merge.",
        ),
        (b"=======\n", "line 1 is the mark of an unfinished merge, =======: finish the merge."),
        (b"a = " + HUGE.encode() * 20, "cannot be read"),
        (b"a = " + b"[" * 100_000, "cannot be read"),
    ],
)
def test_what_no_reader_should_see_is_named(tmp_path: Path, data: bytes, reason: str) -> None:
    path = write(tmp_path, "")
    path.write_bytes(data)
    with pytest.raises(QuestionError) as caught:
        read_question(path)
    assert str(caught.value).startswith(f"{path}: ") and reason in str(caught.value)


@pytest.mark.parametrize(("mark", "line"), [("\0", 3), ("\x07", 3), ("\u2028", 3), ("\n>>>>>>> branch\n", 4)])
def test_prose_is_looked_at_in_the_same_way(tmp_path: Path, mark: str, line: int) -> None:
    path = tmp_path / "en.md"
    path.write_text(PROSE.replace("Why?", f"Why?{mark}"), encoding="utf-8")
    with pytest.raises(QuestionError, match=rf"en\.md: line {line} "):
        read_prose(path, "en")


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.binary(max_size=80), st.text(max_size=40).map(str.encode)))
def test_bytes_are_read_as_they_are_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    try:
        text = read_text_file(path)
    except TextFileError as error:
        assert str(error).endswith(".")
    else:
        assert text == data.decode("utf-8-sig").replace("\r\n", "\n") and "\0" not in text


@pytest.mark.parametrize("number", ODD_NUMBERS)
def test_a_number_that_is_not_finite_is_refused_everywhere(tmp_path: Path, number: str) -> None:
    for kind in ("absolute", "relative", "factor"):
        data = tomllib.loads(f"tolerance.{kind} = {number}", parse_float=Decimal)
        with pytest.raises(QuestionError, match=f"tolerance.{kind}: must be a number of at least"):
            read_tolerance(Entry(tmp_path, data))
    for text in (f"value = {number}", f"value = [1, {number}]", f"value = {{a = {number}}}"):
        with pytest.raises(QuestionError, match="value: must be a finite number"):
            read_value(Entry(tmp_path, tomllib.loads(text, parse_float=Decimal)), "value")


@pytest.mark.parametrize("number", ODD_NUMBERS)
def test_a_wrong_answer_is_a_finite_number(tmp_path: Path, number: str) -> None:
    folder = Path(load_question.__code__.co_filename).parent / "q06_gqa"
    shutil.copytree(folder, tmp_path / "q06_gqa")
    path = tmp_path / "q06_gqa" / "question.toml"
    text = path.read_text(encoding="utf-8")
    assert "\nanswer = " in text
    before, _, after = text.partition("\nanswer = ")
    path.write_text(f"{before}\nanswer = {number}\n{after.partition(chr(10))[2]}", encoding="utf-8")
    with pytest.raises(QuestionError, match=r"wrong_answers\.\d\.answer: must be a number"):
        read_question(path)
