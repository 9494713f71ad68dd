"""Which variant of a prediction a seed draws.

All that can be drawn is one list, in a fixed order: every combination of the values in `tickets.toml` that
the experiment takes as settings. Left out is what somebody could know without a run here: the defaults, what
the question's own predictions measure, and what was recorded. The edition in a ticket's text is a fingerprint
of that list, so that a ticket of another list is refused instead of drawing something else.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from labs.claims import recordings
from labs.claims.checks import value_at
from labs.contract import Data, Experiment, ParamError
from labs.contract.registry import Registry
from labs.tickets.text import EDITION_SIGNS, SEED_SIGNS, Parts, TicketError, encoded, parsed, written
from questions import Prediction, Question, Renderer, Variation

MOST_SEEDS = 32**SEED_SIGNS
_PREFIX = "ticket."
_BETWEEN = {"en": ", ", "zh": "、"}


@dataclass(frozen=True)
class Ticket:
    """A drawn variant. `prediction` is what it asks, with the drawn settings; its id names the ticket."""

    text: str
    question: Question
    prediction: Prediction

    def measured(self, result: Data) -> Any:
        """The true answer in a completed result."""
        return value_at(result, self.prediction.measures)

    def lines(self, result: Data) -> list[str]:
        """What was asked, with its settings, and the true answer, for a terminal."""
        renderer, asked = Renderer(self.question, "en"), self.prediction
        unit = f" {asked.unit['en']}" if asked.unit else ""
        return [
            f"  {self.text}: {renderer.text(asked.question)}",
            f"  measured: {self.measured(result)}{unit}",
        ]


def variants(question: Question, registry: Registry) -> tuple[tuple[Variation, dict[str, Any]], ...]:
    """All that a ticket of this question can ask: the variation with the settings it draws."""
    return tuple(
        (variation, drawn)
        for variation in question.tickets
        if variation.prediction.experiment in registry
        for drawn in _unknown(question, variation, registry.find(variation.prediction.experiment))
    )


def draw(question: Question, seed: int, registry: Registry) -> Ticket:
    """The ticket of a question with this seed. Raises TicketError where the question has none."""
    found = variants(question, registry)
    if not found:
        raise TicketError(
            f"{question.id} has no tickets: take one of another question.",
            key="ticket.no_variants",
            question=question.id,
        )
    edition, seed = _edition(found, registry), seed % MOST_SEEDS
    variation, drawn = found[_hashed(f"{edition} {seed}") % len(found)]
    text = written(Parts(question.key, edition, seed))
    return Ticket(text, question, _sealed(variation.prediction, text, drawn))


def read(text: str, questions: Iterable[Question], registry: Registry) -> Ticket:
    """The ticket that a text names. Raises TicketError."""
    parts = parsed(text.removeprefix(_PREFIX))
    question = next((each for each in questions if each.key == parts.question), None)
    if question is None:
        raise TicketError(
            f"There is no question {parts.question.upper()} here: the ticket is from another version of this "
            "app; update it, or draw a new ticket.",
            key="ticket.no_question",
            question=parts.question.upper(),
        )
    ticket = draw(question, parts.seed, registry)
    if parsed(ticket.text) != parts:
        raise TicketError(
            f"This ticket is from another version of {question.id}, where the same seed drew something else: "
            "draw a new ticket, or use the version that it is from.",
            key="ticket.other_version",
            question=question.id,
        )
    return ticket


def is_ticket(prediction: str) -> bool:
    """Whether a prediction's id, or that of an end of its range, is a ticket's."""
    return prediction.startswith(_PREFIX)


def seed_from(name: str) -> int:
    """The seed that belongs to a name, such as an attempt's id: the same ticket however often it is asked."""
    return _hashed(name) % MOST_SEEDS


def _sealed(asked: Prediction, text: str, drawn: Mapping[str, Any]) -> Prediction:
    """The prediction with the drawn settings, which stand in its question as code in both languages."""
    params = {**asked.params, **drawn}
    code = [f"`{name}={json.dumps(value, ensure_ascii=False)}`" for name, value in params.items()]
    question = {
        language: f"{sentence} {_BETWEEN[language].join(code)}"
        for language, sentence in asked.question.items()
    }
    return replace(asked, id=f"{_PREFIX}{text}", question=question, params=params)


def _unknown(
    question: Question, variation: Variation, experiment: Experiment[Any, Any]
) -> Iterator[dict[str, Any]]:
    """The settings that a variation can draw, without those whose result is known before a run."""
    known = list(_known(question, experiment))
    names = list(variation.vary)
    for values in itertools.product(*variation.vary.values()):
        drawn = dict(zip(names, values, strict=True))
        try:
            params = experiment.params.from_dict({**variation.prediction.params, **drawn})
        except ParamError:  # values that cannot be combined
            continue
        if params.measured() not in known:
            yield drawn


def _known(question: Question, experiment: Experiment[Any, Any]) -> Iterator[dict[str, Any]]:
    """What is measured by runs that somebody has seen, or may have: the part of the settings that counts."""
    read_params = experiment.params.from_dict
    yield read_params({}).measured()
    for prediction in question.predictions:
        if prediction.experiment == experiment.id:
            yield read_params(prediction.params).measured()
    for record in (*recordings.recorded(experiment.id), *recordings.variants(experiment.id)):
        yield read_params(record["params"]).measured()


def _edition(found: Iterable[tuple[Variation, dict[str, Any]]], registry: Registry) -> str:
    """Two signs that change whenever a seed may draw something else, or what it draws measures anew."""
    content = [
        [
            variation.prediction.experiment,
            registry.find(variation.prediction.experiment).version,
            variation.prediction.measures,
            dict(variation.prediction.params),
            drawn,
        ]
        for variation, drawn in found
    ]
    return encoded(_hashed(json.dumps(content, sort_keys=True)) % 32**EDITION_SIGNS, EDITION_SIGNS)


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
