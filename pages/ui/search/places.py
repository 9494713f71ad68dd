"""Every place that a person may be led to: pages, questions, experiments, terms, the guide, open answers.

Nothing of a hint, a rubric or a reference answer that is still closed: an answer and its claims count once
the reference is open, and what an experiment does once its lab is. Draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from pages.ui.experiments import registry
from pages.ui.progress.kept import Work
from pages.ui.site.navigate import (
    CLAIMS,
    DECK,
    GLOSSARY,
    INTERVIEW,
    MOCK,
    PLAYGROUND,
    PROGRESS,
    SETTINGS,
    SHEET,
)
from pages.ui.site.question_list import questions
from pages.ui.words.i18n import LANGUAGES, current_language, plain
from pages.ui.words.question_text import renderer_of
from questions import Question
from questions.entry import Localized
from questions.glossary import glossary
from questions.guide import guide
from study.search import Entry

KINDS = ("page", "question", "experiment", "term", "claim", "reference", "guide")
"""In the order in which equally good finds are shown."""


def places(work: list[Work]) -> tuple[Entry, ...]:
    """All of them, in the session's language."""
    opened = frozenset(one.question.key for one in work if one.in_sight)
    settled = frozenset(one.question.key for one in work if one.settled)
    return _places(current_language(), opened, settled)


@lru_cache(maxsize=32)
def _places(language: str, opened: frozenset[str], settled: frozenset[str]) -> tuple[Entry, ...]:
    """Made once for all who see the same."""
    found = [
        entry
        for question in questions()
        for entry in (_question(question, language), *_experiments(question, shown=question.key in settled))
    ]
    found += _terms(language)
    for question in questions():
        if question.key in opened:
            found += [*_claims(question, language), _reference(question, language)]
    found += _pages()
    return tuple(sorted([*found, *_guide(language)], key=lambda entry: KINDS.index(entry.kind)))


def _question(question: Question, language: str) -> Entry:
    renderer = renderer_of(question)
    texts = [question.title[language]]
    if question.written:
        texts += [renderer.text(question.examines), renderer.fill(question.prose[language].question)]
    name = f"{question.id} · {question.short[language]}"
    return Entry("question", name, "\n".join(texts), question.slug, _others(question.short, language))


def _experiments(question: Question, *, shown: bool) -> Iterator[Entry]:
    """Their names are on the question's page from the start; what they do only with the lab."""
    for experiment in registry().names(question.key):
        name = f"{question.id} · {plain(f'{question.key}.{experiment}.title')}"
        about = plain(f"{question.key}.{experiment}.about") if shown else ""
        yield Entry("experiment", name, about, f"{question.slug}#lab-{experiment}")


def _terms(language: str) -> Iterator[Entry]:
    for index, term in enumerate(glossary(), 1):
        name, address = term.name[language], f"glossary#term-{index}"
        yield Entry("term", name, term.meaning[language], address, _others(term.name, language))


def _claims(question: Question, language: str) -> Iterator[Entry]:
    renderer = renderer_of(question)
    for claim in question.claims:
        source = claim.source[language] if claim.source else ""
        formula = f"`{claim.formula[language]}`" if claim.formula else ""
        text = "\n".join((renderer.text(claim.truth, claim), formula, source))
        name = f"{claim.id} · {renderer.text(claim.statement, claim)}"
        yield Entry("claim", name, text, f"{question.slug}#claim-{claim.id}")


def _reference(question: Question, language: str) -> Entry:
    """The whole answer and the follow-ups; sections are folded, so that all of it has one address."""
    renderer, prose = renderer_of(question), question.prose[language]
    texts = [renderer.fill(text) for _, text in prose.texts() if text != prose.question]
    for each in question.follow_ups:
        texts += [renderer.text(each.question), renderer.text(each.answer)]
    name = f"{question.id} · {plain('study.reference')}"
    return Entry("reference", name, "\n".join(texts), f"{question.slug}#reference")


def _pages() -> Iterator[Entry]:
    """The pages that belong to no question, with what one does there."""
    for address, name, texts in (
        (PLAYGROUND, "playground.title", ("playground.lead",)),
        (MOCK, "mock.title", ("mock.lead", "mock.tickets")),
        (INTERVIEW, "interview.title", ("interview.lead",)),
        (PROGRESS, "progress.title", ("review.title", "review.rule", "calibration.title")),
        (DECK, "deck.title", ("deck.rule",)),
        (SHEET, "sheet.title", ("sheet.lead", "sheet.anki_lead")),
        (CLAIMS, "claims.page", ("claims.export",)),
        (GLOSSARY, "glossary.title", ()),
        (SETTINGS, "settings.title", ("settings.labs.title", "settings.look.title", "settings.data.title")),
    ):
        yield Entry("page", plain(name), " · ".join(map(plain, texts)), address)


def _guide(language: str) -> Iterator[Entry]:
    title, *parts = guide().parts[language]
    for index, part in enumerate(parts, 1):
        yield Entry("guide", f"{title.title} · {part.title}", part.body, f"guide#part-{index}")


def _others(texts: Localized, language: str) -> tuple[str, ...]:
    """What a thing is called in the other language."""
    return tuple(texts[other] for other in LANGUAGES if other != language)
