"""The questions as notes for Anki: each question with its spoken answer, its follow-ups, and its cards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from questions import Renderer
from questions.checklist import checklist
from study.anki import Note, to_text

_DECK = "MiniMind Interview Lab"


def as_anki(renderers: Sequence[Renderer]) -> str:
    """The text of the file, with the notes of these questions in the language of their renderers."""
    return to_text((note for renderer in renderers for note in _notes(renderer)), deck=_DECK)


def _notes(renderer: Renderer) -> Iterator[Note]:
    question, language = renderer.question, renderer.language
    if not question.written:
        return
    name, tags = f"minimind-{language}-{question.key}", ("minimind", question.key)
    prose = question.prose[language]
    title = f"**{question.id} · {question.title[language]}**"
    yield Note(name, f"{title}\n\n{renderer.fill(prose.question)}", renderer.fill(prose.spoken), tags)
    for each in question.follow_ups:
        yield Note(f"{name}-{each.id}", renderer.text(each.question), renderer.text(each.answer), tags)
    for card in checklist():
        if card.question == question.id:
            front = f"{renderer.text(card.front)}\n\n{renderer.text(card.check)}"
            yield Note(f"{name}-card-{card.id}", front, renderer.text(card.back), (*tags, "checklist"))
