"""Whatever comes from outside reads as it is: by CommonMark's own reading, and by Streamlit's beyond it.

tests/browser/test_outside_words.py looks at the same in a real Chromium.
"""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from minimind_core.errors import LONGEST_VALUE
from pages.ui.words.i18n import LANGUAGES, catalogue
from pages.ui.words.markdown import (
    Filled,
    Markdown,
    cleaned,
    code,
    filled,
    filled_plainly,
    markdown_of,
    sentence,
)

COMMONMARK = MarkdownIt("commonmark").enable(["strikethrough", "table"])
FOUND_IN_TEXT = re.compile(  # by remark-gfm, remark-emoji and Streamlit, after the escapes are gone
    r"https?://|(?<![^\W_])www(?=\.)|[\w.+-]@[\w-]+\.[\w-]|:[\w+-]+:|:material/|(?<!\S)(?:<->|->|<-|--|>=|<=)(?!\S)",
    re.I,
)
PIECES = st.sampled_from(
    [
        *(
            *string.punctuation,
            *"\n\t\x00 a1é中\u202e\ud83d",
            "http://",
            "www.",
            "a@b.c",
            ":smile:",
            "![a](//b.c)",
        ),
        *(
            "[a](b)",
            "<b>",
            "<!--",
            "&amp;",
            "$x$",
            ":red[a]",
            "``",
            "**",
            "__",
            "1. ",
            "- ",
            "    ",
            "\n\n",
            "-> ",
        ),
    ]
)
OUTSIDE = st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=30))


def joined(text: str) -> str:
    """Without the joiners that part what Streamlit would find, and without blanks at the ends."""
    return text.replace("\N{WORD JOINER}", "").strip()


def read(markdown: str) -> tuple[str, set[str]]:
    """What a reader sees of a line of Markdown, and the kinds of signs that acted in it."""
    tokens = COMMONMARK.parse(markdown)
    inner = [child for token in tokens for child in token.children or ()]
    blocks = {token.type for token in tokens} - {"paragraph_open", "paragraph_close", "inline"}
    kinds = {child.type for child in inner} - {"text", "text_special"} | blocks
    return "".join(child.content for child in inner), kinds


@settings(max_examples=120, deadline=None)
@given(OUTSIDE)
def test_a_word_from_outside_is_text_and_nothing_else(outside: str) -> None:
    for before in ("", "Name: ", "**"):
        text, kinds = read(before + filled("{word}", {"word": outside}))
        assert not kinds, (outside, kinds)
        assert joined(text) == joined(before + cleaned(outside).strip())
        assert not FOUND_IN_TEXT.search(text.removeprefix(before)), text


@settings(max_examples=60, deadline=None)
@given(OUTSIDE)
def test_as_code_it_is_code_and_nothing_else(outside: str) -> None:
    text, kinds = read(f"In {code(outside)} there")
    assert kinds == {"code_inline"}
    assert joined(text) == joined(f"In {cleaned(outside).strip() or chr(0xA0)} there")


@settings(max_examples=60, deadline=None)
@given(OUTSIDE)
def test_an_english_sentence_keeps_its_code_and_nothing_else(outside: str) -> None:
    _, kinds = read(sentence(f"{outside} is broken; run `python -m labs list`."))
    assert kinds <= {"code_inline"}


def test_markdown_of_ours_and_numbers_go_in_as_they_are() -> None:
    values = {"drawn": Markdown(":blue[**4×**]"), "count": 1234, "share": 0.5, "name": "**a**"}
    assert filled("{drawn} {count:,} {share:.1%} {name}", values) == r":blue[**4×**] 1,234 50.0% \*\*a\*\*"
    assert filled_plainly("{drawn} {name}", values) == ":blue[**4×**] **a**"


def test_a_lab_s_words_are_plain_in_a_figure_and_marked_in_a_note() -> None:
    verdict = Filled("**{best}** leads", {"best": "[a](b)"})
    note = Filled("Loss. {verdict}", {"verdict": verdict, "unused": object()})
    assert note == "Loss. **[a](b)** leads"
    assert markdown_of(note) == r"Loss. **\[a\](b)** leads"
    assert markdown_of("plain [a](b)") == r"plain \[a\](b)"


def test_what_is_long_is_shortened_where_it_is_filled_in() -> None:
    for text in (filled("{x}", {"x": "9" * 250_043}), filled_plainly("{x}", {"x": "a" * 2**20})):
        assert len(text) <= LONGEST_VALUE and " … " in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_template_puts_a_value_into_code_where_an_escape_would_show(language: str) -> None:
    for key, text in catalogue(language).items():
        assert not re.search(r"`[^`]*\{\w+[^`]*`", text), key
