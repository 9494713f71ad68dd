"""How far a sentence may go: claims that stand by themselves, and no word for what others know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import questions
from questions import Question, load_questions
from tests.questions.test_texts import pairs

WRITTEN = [question for question in load_questions() if question.written]
POINTS_BACK = {
    "en": re.compile(r"(?:That|It|Its|They|Their|These|Those|All this|And|But)\b"),
    "zh": re.compile(r"那|这(?!里)|它|以上|但|而"),
}
"""The beginning of a sentence that only another text explains."""
FOR_EVERYBODY = {
    "en": re.compile(
        r"\bno (?:source|run) (?:is|gives|stands|exists)|\bno such \w+ (?:was|is|exists)"
        r"|\bnobody (?:gives|ran|says for|has (?:counted|a))|\bthe whole (?:field|industry)",
        re.IGNORECASE,
    ),
    "zh": re.compile(r"从没有人|没有人真的|没人(?:统计|给得出|说清)|这个数没有出处|都没有出处|整个行业"),
}
"""What nobody can have checked: that no source exists, that all did it. Say what *we* did not find."""


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_a_truth_that_answers_nothing_stands_by_itself(question: Question) -> None:
    """The claims page shows it below the statement alone; "That" answers only what is commonly said."""
    found = {
        claim.id: claim.truth[language][:40]
        for claim in question.claims
        if claim.common is None
        for language, opening in POINTS_BACK.items()
        if opening.match(claim.truth[language])
    }
    assert not found


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_no_text_knows_what_nobody_knows(question: Question) -> None:
    found = {
        key: words[0]
        for key, *texts in pairs(question)
        for language, text in zip(("en", "zh"), texts, strict=True)
        if (words := FOR_EVERYBODY[language].search(text))
    }
    assert not found


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_an_optimizer_is_spelt_as_in_the_code(question: Question) -> None:
    assert not {key for key, english, _ in pairs(question) if re.search("optimiser", english, re.IGNORECASE)}


SLANTED = re.compile(r"(?<!\*)\*(?![*\s])[^*\n`$]*[\u4e00-\u9fff][^*\n`$]*(?<!\s)\*(?!\*)")
"""Chinese characters between single asterisks."""


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_chinese_is_stressed_in_bold(question: Question) -> None:
    """Chinese has no italics: a browser slants the characters, which reads badly."""
    found = {key: words[0] for key, _, text in pairs(question) if (words := SLANTED.search(text))}
    assert not found


BOX = re.compile(r"^### Often said, and wrong\n(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)


def called_wrong(question: Question) -> set[str]:
    """The claims whose saying a box quotes."""
    text = (Path(questions.__file__).parent / question.slug / "en.md").read_text(encoding="utf-8")
    return {name for box in BOX.findall(text) for name in re.findall(r"\{(Q\d+-C\d+)\.(?:common|said)", box)}


@pytest.mark.parametrize("question", WRITTEN, ids=lambda question: question.key)
def test_what_is_called_wrong_is_not_confirmed(question: Question) -> None:
    """A claim whose saying stands in the box was corrected, depends, or lacks support."""
    assert not {name for name in called_wrong(question) if question.claim(name).status == "confirmed"}


def test_boxes_are_found() -> None:
    """Else the test above would look at nothing."""
    assert any(map(called_wrong, WRITTEN))
