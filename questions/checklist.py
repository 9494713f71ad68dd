"""The review checklist: cards with a question, a check that can be graded, and the answer with its claims.

The texts hold placeholders, filled by the Renderer of the card's question. What is right is no second copy: a
number stands in a claim of that question.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from questions.entry import Entry, Localized, QuestionError, both, check_unique
from questions.loader import Question
from questions.values import part

FILE = Path(__file__).parent / "checklist.toml"
_NUMBER_TEXTS = both("front", "check", "back")


@dataclass(frozen=True)
class Card:
    """One card of the question `question` (its id); `check` asks what is graded.

    `answer` is the claim whose value is right, with the path in it; None where one chooses: then `choices`
    are the texts, and `right` is the place of the right one.
    """

    id: str
    question: str
    front: Localized
    check: Localized
    back: Localized
    claims: tuple[str, ...]
    answer: str | None = None
    choices: tuple[Localized, ...] = ()
    right: int = 0

    def number(self, question: Question) -> float:
        """The right number, from the claim of `question`. Raises QuestionError where there is none."""
        claim, *path = (self.answer or "").split(".")
        try:
            value = part(question.claim(claim).value or "", tuple(path))
        except LookupError as error:
            raise QuestionError(f"{FILE}: {self.id}: answer: there is no {self.answer}.") from error
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise QuestionError(f"{FILE}: {self.id}: answer: {self.answer} is no number.")
        return float(value)


@cache
def checklist(path: Path = FILE) -> tuple[Card, ...]:
    """All cards, in the order of the file. Raises QuestionError naming file, key and reason."""
    file = Entry.of_file(path)
    file.only(("cards",))
    entries = file.tables("cards")
    cards = tuple(map(_card, entries))
    check_unique(zip(entries, (card.id for card in cards), strict=True))
    return cards


def _card(entry: Entry) -> Card:
    entry.only(("id", "question", "claims", *_NUMBER_TEXTS), ("answer", "choices"))
    choices = entry.tables("choices") if "choices" in entry.data else []
    if bool(choices) == ("answer" in entry.data):
        raise entry.fail("answer", "is a claim's number, or else there are choices.")
    for choice in choices:
        choice.only(both("text"), ("right",))
    right = [index for index, choice in enumerate(choices) if choice.data.get("right") is True]
    if choices and len(right) != 1:
        raise entry.fail("choices", "must have exactly one that is right.")
    claims = entry.data["claims"]
    if not isinstance(claims, list) or not claims or not all(isinstance(claim, str) for claim in claims):
        raise entry.fail("claims", "must be a list of claims, such as Q6-C3.")
    return Card(
        entry.slug(),
        entry.text("question", r"Q[1-9]\d*", "a question, such as Q6"),
        entry.localized("front"),
        entry.localized("check"),
        entry.localized("back"),
        tuple(claims),
        None if choices else entry.text("answer", r"Q\d+-C\d+(\.\w+)*", "a claim's number, such as Q6-C3.mb"),
        tuple(choice.localized("text") for choice in choices),
        *right,
    )
