"""Terms of the glossary inside the texts of the questions: explained once, and nothing else is changed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from markdown_it import MarkdownIt

from pages.ui.words.terms import explained
from questions import Question, Renderer, load_questions
from questions.glossary import glossary

WRITTEN = [question for question in load_questions() if question.written]
MARK = re.compile(r'<span class="term" tabindex="0" aria-description="([^"<>]+)">([^<>]+)</span>')


def texts(question: Question, language: str) -> Iterator[str]:
    """What the pages draw as prose: the answer, section by section, and the follow-ups."""
    renderer, prose = Renderer(question, language), question.prose[language]
    for text in (prose.spoken, *(section.body for section in prose.answer), prose.beyond):
        yield renderer.fill(text)
    yield from (renderer.text(follow_up.answer) for follow_up in question.follow_ups)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_a_term_is_explained_once_and_the_text_stays(question: Question, language: str) -> None:
    marks = 0
    for text in texts(question, language):
        marked = explained(text, language)
        assert MARK.sub(r"\2", marked) == text
        meanings = [meaning for meaning, _ in MARK.findall(marked)]
        assert len(set(meanings)) == len(meanings)
        tokens = [child for token in MarkdownIt().parse(marked) for child in token.children or [token]]
        found = [token.content for token in tokens if token.type.startswith("html")]
        assert len(found) == 2 * len(meanings), "the texts have no HTML of their own, and no mark is in code"
        assert "**" not in "".join(token.content for token in tokens if token.type == "text")
        marks += len(meanings)
    assert marks


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_a_question_does_not_tell_what_it_asks(question: Question, language: str) -> None:
    asked = Renderer(question, language).fill(question.prose[language].question)
    own = {term.meaning[language] for term in glossary() if term.question == question.id}
    assert not own & {meaning for meaning, _ in MARK.findall(explained(asked, language, question.id))}


def test_a_mark_takes_no_emphasis_away() -> None:
    assert MARK.sub(r"(\2)", explained("按**词元**算", "zh")) == "按(**词元**)算"
    assert explained("按**词元数**算", "zh") == "按**词元数**算"


def test_a_meaning_is_text() -> None:
    marked = explained("entropy <b>", "en")
    assert marked.endswith("</span> <b>") and len(MARK.findall(marked)) == 1
