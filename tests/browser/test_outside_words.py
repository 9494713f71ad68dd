"""Words from outside in a real Chromium: they are read as they are, lead nowhere and ask for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from minimind_core.errors import shortened
from pages.ui.words.markdown import cleaned
from tests.browser.conftest import OpenPage, free_port, running_app

VECTORS = (
    *("![a](http://evil.example/q.png)", "[a](http://evil.example)", "[a]: http://evil.example", "![a][b]"),
    *(
        "<http://evil.example>",
        "http://evil.example",
        "HTTPS://evil.example/a_b",
        "www.evil.example",
        "a@b.example",
    ),
    *(
        "see(http://evil.example/?q=1)",
        "mailto:a@b.example",
        "<img src=//evil.example/x>",
        "<script>1</script>",
    ),
    *(
        "**a**",
        "__a__",
        "_a_",
        "~~a~~",
        "`a`",
        "a `b",
        "``` a",
        "# a",
        "> a",
        "- a",
        "+ a",
        "1. a",
        "123) a",
        "***",
    ),
    *(
        "a | b",
        "$x$",
        "$$x$$",
        ":red[a]",
        ":smile:",
        ":material/delete:",
        ":streamlit:",
        ":blue-badge[a]",
        "::a",
    ),
    *(
        ":::a",
        "&amp;",
        "&#33;",
        "a -> b",
        "<- a",
        "a -- b",
        "a <-> b",
        ">= 2",
        "a <= b",
        "[^1]",
        "[ ] a",
        "- [x] a",
    ),
    *(
        "a\\",
        "\\*",
        "a\n\n# b",
        "a\n\n    b",
        "    code",
        "日本_語_字",
        "C:\\Users\\a_b\\c.pth",
        "/tmp/a*b*[1]~c",
    ),
    *("a\u202eb", "x\ty", "---", "===", "=", ": a", "http:// evil", "![a](//evil.example/q.png)" * 20),
)
SCRIPT = f"""
import streamlit as st
from pages.ui.words.markdown import code, filled, sentence
st.title("Vectors")
for number, vector in enumerate({list(VECTORS)!r}):
    with st.container(key=f"v{{number}}"):
        st.markdown(filled("{{x}}", {{"x": vector}}))
        st.error(filled("{{x}}", {{"x": vector}}))
        st.button(filled("{{x}}", {{"x": vector}}), key=f"b{{number}}")
        st.markdown(filled("in **{{x}}** and {{y}}", {{"x": vector, "y": code(vector)}}))
        st.caption(sentence(vector))
st.markdown("the end")
"""
ACTIVE = (
    "a, img, script, strong em, del, ul, ol, table, h2, blockquote, pre, .katex, mark, "
    "[data-testid=stIconMaterial]"
)


@pytest.fixture
def vectors(tmp_path: Path) -> Iterator[str]:
    script = tmp_path / "vectors.py"
    script.write_text(SCRIPT)
    with running_app(tmp_path, free_port(), script=str(script)) as address:
        yield address


def test_no_vector_acts_and_each_can_be_read(vectors: str, chromium: Browser) -> None:
    context = chromium.new_context()
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(vectors)
    page.get_by_text("the end").wait_for(timeout=60_000)
    expect(page.locator("[class*=st-key-b] button p")).to_have_count(len(VECTORS), timeout=60_000)
    acting, misread = [], []
    for number, vector in enumerate(VECTORS):
        drawn = page.locator(f".st-key-v{number}")
        if drawn.locator(ACTIVE).count():
            acting.append((vector, drawn.locator(ACTIVE).first.evaluate("node => node.outerHTML")))
        read = [" ".join(text.replace("\u2060", "").split()) for text in drawn.locator("p").all_inner_texts()]
        wanted = " ".join(shortened(cleaned(vector)).split())
        if read[:3] != [wanted] * 3 or read[3] != f"in {wanted} and {' '.join(cleaned(vector).split())}":
            misread.append((vector, read))
    assert not acting, acting
    assert not misread, "\n".join(map(repr, misread))
    assert all(url.startswith((vectors, "data:", "blob:")) for url in asked), asked
    context.close()


def test_what_an_address_asks_for_is_read_and_not_followed(open_page: OpenPage) -> None:
    page = open_page("/playground?playground_temperature=![a](//evil.example/q.png)&lang=en")
    word = page.get_by_text("The address asks for")
    expect(word).to_contain_text("![a](//evil.example/q.png)")
    assert not page.locator("img[src*=evil], a[href*=evil]").count()


@pytest.mark.parametrize("asked", ["inf", "9" * 5000])
def test_a_number_that_is_none_leaves_the_page_whole(open_page: OpenPage, asked: str) -> None:
    page = open_page(f"/playground?playground_seed={asked}&lang=en")
    page.get_by_role("button", name="All settings").click()
    expect(page.get_by_text("The address asks for")).to_be_visible()
    expect(page.get_by_label("Seed")).to_have_value("0")
    assert "Something went wrong" not in page.content() and asked not in page.url


def test_half_a_character_becomes_a_sign_and_a_word(open_page: OpenPage) -> None:
    """Pasted from a program that cut it: the browser takes it, and cannot send it."""
    page = open_page("/playground?lang=en")
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill("")
    prompt.evaluate("field => document.execCommand('insertText', false, 'a \\ud83d b')")
    prompt.press("Control+Enter")
    expect(page.get_by_text("a character arrived broken")).to_be_visible()
    expect(prompt).to_have_value("a \ufffd b")


def test_half_a_character_in_an_answer_is_saved_as_a_sign(open_page: OpenPage) -> None:
    page = open_page("/q06_gqa?lang=en")
    answer = page.get_by_label("Your answer to Q6")
    answer.focus()
    page.evaluate("document.execCommand('insertText', false, 'cut \\ude00 off')")
    expect(page.get_by_text("Saved on this machine")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Your answer to Q6")).to_have_value("cut \ufffd off")
