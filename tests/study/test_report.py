"""A document to take away holds what was written, whatever that was, and asks for nothing outside."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from questions import Renderer, load_questions
from study.report import Marked, Picture, Report, Section, Table, Tick, Written, inline, readable, to_markdown
from study.report_html import to_html
from study.simple_markdown import html_of, inline_html_of

COMMONMARK = MarkdownIt("commonmark", {"html": True}).enable("table")
VOID = {"meta", "br", "img", "link", "input", "hr"}
KNOWN = {
    *("html", "head", "meta", "title", "style", "body", "article", "section", "nav", "div", "span", "p", "a"),
    *("h1", "h2", "dl", "dt", "dd", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
    *("code", "pre", "strong", "em", "small", "figure", "figcaption", "details", "summary", "svg"),
}
HOSTILE = [
    "<script>alert(1)</script>",
    "</div></article><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "</style><link rel=stylesheet href=//a.example>",
    "![a](https://a.example/x.png) [b](javascript:alert(1))",
    "```\n</code></pre><script>\n```",
    "| a | b |\n|---|---|",
    "a|b\\|c",
    "&lt;b&gt; &amp; &#60;",
    "# no heading\n- no list\n1. none",
    "`code` **bold** $x$ ~~gone~~",
    "half \ud83d of a pair, \x00\x08\x1f\u202e turned",
]
TEXTS = st.one_of(
    st.sampled_from(HOSTILE), st.text(), st.lists(st.sampled_from(HOSTILE), max_size=3).map(" ".join)
)


class Reader(HTMLParser):
    """Reads a page: the tags must match, and only known ones are there."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.texts: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in KNOWN, tag
        for name, value in attrs:
            assert not name.startswith("on") and name not in ("src", "style"), name
            assert name != "href" or (value or "").startswith("#attempt-"), value
            self.attributes[f"{tag}.{name}"] = value
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


def report(text: str) -> Report:
    return Report(
        text,
        ((text, text),),
        (
            Section(
                text,
                (
                    Written(text),
                    Table((text, "b"), ((text, text),)),
                    (Tick(True, text, text),),
                    text,
                    Picture(text, text, "<svg></svg>", text, text),
                ),
            ),
        ),
    )


@settings(deadline=None)
@given(TEXTS)
def test_nothing_that_was_written_becomes_a_tag(text: str) -> None:
    page = to_html([report(text)], title=text, language="en")
    page.encode("utf-8")
    reader = read(page)
    shown = "".join(reader.texts.get("div", []))
    assert shown.strip() == readable(text).strip()
    assert "".join(reader.texts.get("td", [])) == readable(text) * 2


@settings(deadline=None)
@given(TEXTS)
def test_a_bundle_of_hostile_attempts_is_one_page(text: str) -> None:
    reader = read(to_html([report(text), report("plain")], title="All", language="zh"))
    assert reader.attributes["html.lang"] == "zh-Hans"
    assert reader.attributes["a.href"] == "#attempt-2"


def test_the_page_asks_for_nothing_outside() -> None:
    page = to_html([report("https://a.example and //b.example")], title="t", language="en")
    policy = read(page).attributes["meta.content"]
    assert "default-src 'none'" in page and policy
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style and "url(" not in style[1] and "@import" not in style[1]
    assert "@media print" in style[1] and "@media screen and (prefers-color-scheme: dark)" in style[1]


def literally(text: str) -> str:
    """What a reader of Markdown sees of a text within a line."""
    return " ".join(readable(text).split())


@settings(deadline=None)
@given(TEXTS)
def test_markdown_shows_what_was_written(text: str) -> None:
    rendered = COMMONMARK.render(to_markdown(report(text)))
    assert "<script" not in rendered and "<img" not in rendered and "<a " not in rendered
    written = re.search(r'<code class="language-text">(.*?)</code></pre>', rendered, re.DOTALL)
    assert written and html.unescape(written[1]).rstrip("\n") == _as_read(text)
    cells = re.findall(r"<td>(.*?)</td>", rendered, re.DOTALL)
    assert [html.unescape(cell) for cell in cells] == [literally(text)] * 2


@settings(deadline=None)
@given(TEXTS | st.from_regex(r"([#+=.)-]|[0-9]{1,9}[.)]| ){1,4}[ a]?", fullmatch=True))
def test_a_plain_text_begins_no_block(text: str) -> None:
    expected = f"<p>{html.escape(literally(text))}</p>\n" if literally(text) else ""
    assert html.unescape(COMMONMARK.render(inline(text))) == html.unescape(expected)


def _as_read(text: str) -> str:
    """CommonMark ends lines its own way, and drops the empty ones at the end of a file."""
    return readable(text).rstrip("\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One\ntwo.\n\nThree.", "<p>One\ntwo.</p><p>Three.</p>"),
        ("1. a\n2. b `x<y`", "<ol><li>a</li><li>b <code>x&lt;y</code></li></ol>"),
        ("Text.\n\n3. c", '<p>Text.</p><ol start="3"><li>c</li></ol>'),
        ("- a\n  more\n- b", "<ul><li>a\n  more</li><li>b</li></ul>"),
        ("```python\na < b\n```\nafter", "<pre><code>a &lt; b\n</code></pre><p>after</p>"),
        ("**a *b* c** *d* 2 * 3", "<p><strong>a <em>b</em> c</strong> <em>d</em> 2 * 3</p>"),
        ("$a_1 < b$", '<p><code class="maths">a_1 &lt; b</code></p>'),
    ],
)
def test_our_own_markdown_becomes_html(text: str, expected: str) -> None:
    assert html_of(text) == expected


@settings(deadline=None)
@given(TEXTS)
def test_any_markdown_becomes_sound_html(text: str) -> None:
    read(f"<div>{html_of(readable(text))}{inline_html_of(readable(text))}</div>")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_sign_of_markdown_is_left_of_the_questions(language: str) -> None:
    for question in load_questions():
        renderer = Renderer(question, language)
        body = html_of(renderer.fill(question.prose[language].question))
        for line in question.rubric:
            body += inline_html_of(renderer.text(line.text))
        assert not re.search(r"\*\*|^#|```", re.sub(r"<code.*?</code>", "", body)), question.id


def test_a_picture_is_drawn_in_a_page_and_is_its_numbers_in_markdown() -> None:
    numbers = Table(("T", "kept"), (("1", "4"),))
    both = Report(
        "t", (), (Section("h", (Picture("About", "Kept", "<svg>x</svg>", "Measured", "Numbers", numbers),)),)
    )
    page, text = to_html([both], title="t", language="en"), to_markdown(both)
    assert "<svg>x</svg>" in page and "<summary>Numbers</summary>" in page and "<td" in page
    assert "svg" not in text and "| T | kept |" in text
    for said in ("About", "Kept", "Measured"):
        assert said in page and said in text


def test_marked_text_keeps_its_signs_and_plain_text_does_not() -> None:
    both = Report("t", (), (Section("h", (Marked("**a**"), "**a**")),))
    assert "<strong>a</strong>" in COMMONMARK.render(to_markdown(both))
    assert "<p>**a**</p>" in COMMONMARK.render(to_markdown(both))
    assert "<strong>a</strong>" in to_html([both], title="t", language="en")
    assert "<p>**a**</p>" in to_html([both], title="t", language="en")
