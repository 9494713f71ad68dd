"""A file of one's own in place of a typed text: what of it is used, what is said, and what stays out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from pages.ui.lab.own_file import fitting
from tests.pages.lab.test_controls import draw

NAME = "q11/checklist"
KEY = "q11_checklist_lines"


@pytest.fixture
def app(whole_errors: None) -> AppTest:
    return AppTest.from_function(draw, args=((NAME,),), default_timeout=20).run()


def given_a_file(app: AppTest, content: bytes) -> AppTest:
    (uploader,) = [one for one in app.file_uploader if one.key == f"{KEY}.file"]
    uploader.set_value(("my.jsonl", content, "application/json")).run()
    assert not app.exception, [error.message for error in app.exception]
    return app


def test_a_file_takes_the_place_of_the_text_and_stays_out_of_the_address(app: AppTest) -> None:
    before = app.text_area(key=KEY).value
    assert before.count("\n") == 2
    given_a_file(app, '\ufeff{"text": "第一行"}\r\n{"text": ""}\r\n'.encode())
    assert app.text_area(key=KEY).value == '{"text": "第一行"}\n{"text": ""}\n'
    assert app.text_area(key="q11_checklist_settings").value and KEY not in app.query_params
    app.text_area(key=KEY).set_value("typed").run()
    assert app.text_area(key=KEY).value == "typed" and KEY not in app.query_params


def test_of_a_longer_file_whole_lines_are_used_and_it_is_said(app: AppTest) -> None:
    given_a_file(app, b"a line of thirty characters ..\n" * 40_000)
    used = app.text_area(key=KEY).value
    assert len(used) <= 1_000_000 and used.endswith("..")
    said = [word.value for word in app.caption if "longer than" in word.value]
    assert said == [
        f"The file is longer than this field may be: its first {used.count(chr(10)) + 1:,} lines are used."
    ]
    app.text_area(key=KEY).set_value("typed").run()
    assert not [word.value for word in app.caption if "longer than" in word.value]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-32-le"])
def test_a_file_is_read_in_every_encoding_of_unicode(encoding: str) -> None:
    """Windows PowerShell writes UTF-16 with `>`."""
    text = '{"text": "今天学了 RoPE"}\n{"text": "Hello world"}\n'
    assert fitting(text.replace("\n", "\r\n").encode(encoding), 1000) == (text, False)


def test_a_file_in_another_encoding_has_a_word(app: AppTest) -> None:
    given_a_file(app, "一二三".encode("gb18030"))
    assert [word.value for word in app.caption if "arrived broken" in word.value]


@given(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\ufeff\0"), max_size=40),
    st.integers(1, 50),
)
def test_what_fits_is_a_beginning_and_all_of_it_where_there_is_room(text: str, most: int) -> None:
    used, is_cut = fitting(text.encode(), most)
    assert text.startswith(used) and len(used) <= most and is_cut == (len(text) > most)
    assert used == text or len(text) > most
    if is_cut and "\n" in text[: most + 1]:
        assert text[len(used)] == "\n"
