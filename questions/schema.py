"""What a question is. `loader.py` reads it from its folder, `render.py` fills its texts with values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from questions.claims import Claim
from questions.diagrams import Diagram
from questions.entry import Localized
from questions.interview import Cue, FollowUp, Prediction, RubricLine
from questions.kata import Kata
from questions.prose import Prose
from questions.symbols import Symbol
from questions.tickets import Variation
from questions.values import Value

PARTS = (1, 2, 3, 4, 5)
"""Data, architecture, training, inference, system design."""
LEVELS = (1, 2, 3)


@dataclass(frozen=True)
class Header:
    """What lists and menus show of a question.

    `slug` is the name of its folder here and of its lab, and the address of its page. `minutes` is the
    shortest and longest sensible answer. `written`: whether there is more than the header.
    """

    id: str
    slug: str
    part: int
    level: int
    minutes: tuple[int, int]
    title: Localized
    short: Localized
    written: bool

    @property
    def number(self) -> int:
        """13 for Q13."""
        return int(self.id[1:])

    @property
    def key(self) -> str:
        """ "q13" of Q13: what experiments, the command line and the store call it by."""
        return f"q{self.number:02d}"


@dataclass(frozen=True)
class Question(Header):
    """One interview question: its header, and all of its content once that is written.

    `given` is the problem's own data, which its texts and its checks read. Texts by language hold
    placeholders until they are rendered.
    """

    prerequisites: tuple[str, ...] = ()
    examines: Localized = field(default_factory=dict)
    given: Mapping[str, Value] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    rubric: tuple[RubricLine, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    tickets: tuple[Variation, ...] = ()
    symbols: tuple[Symbol, ...] = ()
    hints: tuple[Localized, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    cues: tuple[Cue, ...] = ()
    kata: Kata | None = None
    prose: Mapping[str, Prose] = field(default_factory=dict)
    diagrams: Mapping[str, Diagram] = field(default_factory=dict)

    def claim(self, name: str) -> Claim:
        """The claim called `name`, such as "Q13-C4". Raises KeyError."""
        for claim in self.claims:
            if claim.id == name:
                return claim
        raise KeyError(name)

    def prediction(self, name: str) -> Prediction:
        """The prediction of that id. Raises KeyError."""
        for prediction in self.predictions:
            if prediction.id == name:
                return prediction
        raise KeyError(name)

    def texts(self) -> Iterator[tuple[str, Localized, Claim | None]]:
        """Yield every text after the key it stands under, with the claim whose own values it may name."""
        for claim in self.claims:
            for name, text in (
                ("statement", claim.statement),
                ("common", claim.common),
                ("truth", claim.truth),
            ):
                if text is not None:
                    yield f"{claim.id}.{name}", text, claim
        for line in self.rubric:
            yield f"rubric.{line.id}.text", line.text, None
        yield from self._texts_after_predicting()
        for follow_up in self.follow_ups:
            yield f"follow_ups.{follow_up.id}.question", follow_up.question, None
            yield f"follow_ups.{follow_up.id}.answer", follow_up.answer, None
        for index, cue in enumerate(self.cues, 1):
            yield f"cues.{index}.text", cue.text, None
        yield from self.texts_before_predicting()

    def texts_before_predicting(self) -> Iterator[tuple[str, Localized, None]]:
        """Yield the texts shown before a prediction is committed: they may name given data only."""
        if self.written:
            yield "examines", self.examines, None
        for index, hint in enumerate(self.hints, 1):
            yield f"hints.{index}.text", hint, None
        asked = [("predictions", prediction) for prediction in self.predictions]
        asked += [("tickets", variation.prediction) for variation in self.tickets]
        for kind, prediction in asked:
            yield f"{kind}.{prediction.id}.question", prediction.question, None
            for choice in prediction.choices:
                yield f"{kind}.{prediction.id}.choices.{choice.id}.text", choice.text, None
        if self.kata is not None:
            yield "kata.task", self.kata.task, None

    def _texts_after_predicting(self) -> Iterator[tuple[str, Localized, None]]:
        """Yield what is said of wrong answers."""
        for prediction in self.predictions:
            for wrong in prediction.wrong_answers:
                yield f"predictions.{prediction.id}.wrong_answers.{wrong.answer}.text", wrong.text, None
        for symbol in self.symbols:
            for name, text in (("much", symbol.much), ("little", symbol.little)):
                if text is not None:
                    yield f"symbols.{symbol.id}.{name}", text, None
