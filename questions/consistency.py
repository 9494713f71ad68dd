"""What must hold between the parts of a written question.

References lead somewhere, placeholders can be filled and are the same in both languages, and nothing
that is shown before a prediction names a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from questions.claims import Claim
from questions.diagrams import IMAGE
from questions.entry import LANGUAGES, Entry, Localized
from questions.render import Renderer, placeholders
from questions.schema import Question
from questions.tickets import tickets_path


def check_question(question: Question, folder: Path) -> None:
    """Raise QuestionError, naming file, key and reason, for the first thing that does not fit."""
    header, claims = Entry(folder / "question.toml", {}), Entry(folder / "claims.toml", {})
    _check_references(question, header, claims)
    for key, text, claim in question.texts():
        _check_text(question, claims if claim else header, key, text, claim)
    for key, text, _ in question.texts_before_predicting():
        for language in LANGUAGES:
            _check_no_spoiler(header, f"{key}_{language}", text[language])
    _check_prose(question, folder)
    _check_diagrams(question, folder)


def _check_references(question: Question, header: Entry, claims: Entry) -> None:
    names = {claim.id for claim in question.claims}
    for claim in question.claims:
        if claim.check is not None and claim.check.startswith(f"{question.id}-") and claim.check not in names:
            raise claims.fail(f"{claim.id}.check", f"there is no claim {claim.check}.")
    for prediction in question.predictions:
        if prediction.claim not in names:
            raise header.fail(f"predictions.{prediction.id}.claim", f"there is no claim {prediction.claim}.")
    for variation in question.tickets:
        asked = variation.prediction
        if asked.claim not in names:
            file = Entry(tickets_path(header.path), {})
            raise file.fail(f"{asked.id}.claim", f"there is no claim {asked.claim}.")
    names |= {prediction.id for prediction in question.predictions}
    for line in question.rubric:
        if line.decided_by is not None and line.decided_by not in names:
            raise header.fail(
                f"rubric.{line.id}.decided_by", f"there is no prediction or claim {line.decided_by}."
            )


def _check_text(question: Question, file: Entry, key: str, text: Localized, claim: Claim | None) -> None:
    for language in LANGUAGES:
        try:
            Renderer(question, language).text(text, claim)
        except LookupError as error:
            raise file.fail(f"{key}_{language}", f"{error.args[0]}.") from error
    english, chinese = (placeholders(text[language]) for language in LANGUAGES)
    if english != chinese:
        raise file.fail(key, f"names {_list(english)} in English and {_list(chinese)} in Chinese.")


def _check_no_spoiler(file: Entry, key: str, text: str) -> None:
    for name in placeholders(text):
        if not name.startswith("given."):
            raise file.fail(key, f"{{{name}}} would give a value away before the prediction.")


def _check_prose(question: Question, folder: Path) -> None:
    files = {language: Entry(folder / f"{language}.md", {}) for language in LANGUAGES}
    for language, file in files.items():
        _check_no_spoiler(file, "question", question.prose[language].question)
    english, chinese = (question.prose[language] for language in LANGUAGES)
    if len(english.answer) != len(chinese.answer):
        raise files["zh"].fail(
            "headings", f"the answer has {len(chinese.answer)} sections, and {len(english.answer)} in en.md."
        )
    for (title, en), (title_zh, zh) in zip(english.texts(), chinese.texts(), strict=True):
        for language, heading, text in (("en", title, en), ("zh", title_zh, zh)):
            try:
                Renderer(question, language).fill(text)
            except LookupError as error:
                raise files[language].fail(heading, f"{error.args[0]}.") from error
        for missing, language, heading in _missing(en, zh, title, title_zh):
            raise files[language].fail(heading, f"{{{missing}}} stands in the other language only.")


def _check_diagrams(question: Question, folder: Path) -> None:
    """Each that a text shows is there, each that is there is shown in both languages, and can be filled."""
    for language in LANGUAGES:
        file = Entry(folder / f"{language}.md", {})
        shown = [name for _, text in question.prose[language].texts() for name in IMAGE.findall(text)]
        if sorted(shown) != sorted(question.diagrams):
            known = _list(sorted(question.diagrams))
            raise file.fail("diagrams", f"the text shows {_list(shown)}; the folder has {known}.")
    for name in question.diagrams:
        for language in LANGUAGES:
            try:
                Renderer(question, language).diagram(name)
            except LookupError as error:
                raise Entry(folder / f"{name}.svg", {}).fail(language, f"{error.args[0]}.") from error


def _missing(en: str, zh: str, title: str, title_zh: str) -> Iterator[tuple[str, str, str]]:
    """Yield (placeholder, language, heading) for each that this language of a section lacks."""
    english, chinese = set(placeholders(en)), set(placeholders(zh))
    yield from ((name, "zh", title_zh) for name in sorted(english - chinese))
    yield from ((name, "en", title) for name in sorted(chinese - english))


def _list(names: list[str]) -> str:
    return ", ".join(names) or "nothing"
