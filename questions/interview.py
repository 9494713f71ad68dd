"""What an interview is made of besides the answer: rubric, predictions, hints, follow-ups, cues.

Plain data read from tables; scoring is `study/scoring.py` and `study/predictions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from questions.claims import EXPERIMENT, read_unit
from questions.entry import SLUG, Entry, Localized, both, check_unique
from questions.limits import LIMIT_KEYS, Limits, read_limits
from questions.values import Tolerance, finite, plain, read_tolerance, read_value

Tier = Literal[60, 80, 100, "bonus"]
TIERS: tuple[Tier, ...] = (60, 80, 100, "bonus")
PredictionKind = Literal["number", "choice"]
PREDICTION_KINDS: tuple[PredictionKind, ...] = ("number", "choice")


@dataclass(frozen=True)
class RubricLine:
    """One point that an answer makes or misses. `id` never changes: attempts are kept by it.

    `decided_by` names the prediction or claim that decides the line instead of the candidate.
    """

    id: str
    tier: Tier
    text: Localized
    decided_by: str | None


@dataclass(frozen=True)
class Choice:
    """One answer to choose."""

    id: str
    text: Localized


@dataclass(frozen=True)
class WrongAnswer:
    """A tempting answer, a number or a choice's id, and why it is wrong."""

    answer: float | str
    text: Localized


@dataclass(frozen=True)
class Prediction:
    """What is asked before anything is measured.

    The measured value stands at the dotted path `measures` in the completed result of `experiment`, run
    with `params` over its defaults. `claim` explains the outcome. Choices have neither tolerance nor limits.
    """

    id: str
    kind: PredictionKind
    question: Localized
    unit: Localized | None
    tolerance: Tolerance | None
    limits: Limits
    choices: tuple[Choice, ...]
    experiment: str
    params: Mapping[str, Any]
    measures: str
    claim: str
    wrong_answers: tuple[WrongAnswer, ...]


@dataclass(frozen=True)
class FollowUp:
    """A trap or a deeper question, with its answer."""

    id: str
    question: Localized
    answer: Localized


@dataclass(frozen=True)
class Cue:
    """What an interviewer listens for: the sound of an answer of this tier."""

    tier: Tier
    text: Localized


def read_rubric(entry: Entry) -> tuple[RubricLine, ...]:
    """Read `[[rubric]]`: at least one line for each of the tiers 60, 80 and 100."""
    lines = []
    for line in entry.tables("rubric"):
        line.only(("id", "tier", *both("text")), ("decided_by",))
        decided_by = line.text("decided_by") if "decided_by" in line.data else None
        lines.append(RubricLine(line.slug(), read_tier(line), line.localized("text"), decided_by))
    check_unique(zip(entry.tables("rubric"), (line.id for line in lines), strict=True))
    for tier in TIERS[:3]:
        if not any(line.tier == tier for line in lines):
            raise entry.fail("rubric", f"has no line of tier {tier}.")
    return tuple(lines)


def read_predictions(entry: Entry) -> tuple[Prediction, ...]:
    """Read `[[predictions]]`: one to three."""
    tables = entry.tables("predictions")
    if not 1 <= len(tables) <= 3:
        raise entry.fail("predictions", f"must be one to three, not {len(tables)}.")
    predictions = tuple(read_prediction(table) for table in tables)
    check_unique(zip(tables, (prediction.id for prediction in predictions), strict=True))
    return predictions


def read_prediction(entry: Entry) -> Prediction:
    """Read one table of `[[predictions]]`."""
    entry.only(
        ("id", "kind", *both("question"), "experiment", "measures", "claim"),
        ("unit", *both("unit"), "tolerance", *LIMIT_KEYS, "params", "choices", "wrong_answers"),
    )
    kind = entry.one_of("kind", PREDICTION_KINDS)
    tolerance, choices = read_tolerance(entry), tuple(_choice(table) for table in entry.tables("choices"))
    if kind == "number" and (tolerance is None or choices):
        raise entry.fail("tolerance", "a number needs a tolerance and no choices.")
    limits = read_limits(entry)
    if kind == "choice" and (tolerance is not None or limits != Limits() or len(choices) < 2):
        raise entry.fail("choices", "a choice needs at least two choices and neither tolerance nor limits.")
    return Prediction(
        id=entry.slug(),
        kind=kind,
        question=entry.localized("question"),
        unit=read_unit(entry),
        tolerance=tolerance,
        limits=limits,
        choices=choices,
        experiment=entry.text("experiment", EXPERIMENT, "such as q13/next_token"),
        params={name: plain(read_value(entry.table("params"), name)) for name in entry.table("params").data},
        measures=entry.text("measures"),
        claim=entry.text("claim"),
        wrong_answers=tuple(_wrong_answer(table, choices, limits) for table in entry.tables("wrong_answers")),
    )


def read_hints(entry: Entry) -> tuple[Localized, ...]:
    """Read `[[hints]]`: exactly three, each saying more than the one before."""
    tables = entry.tables("hints")
    if len(tables) != 3:
        raise entry.fail("hints", f"must be three steps, not {len(tables)}.")
    for table in tables:
        table.only(both("text"))
    return tuple(table.localized("text") for table in tables)


def read_follow_ups(entry: Entry) -> tuple[FollowUp, ...]:
    """Read `[[follow_ups]]`: at least one."""
    tables = entry.tables("follow_ups")
    if not tables:
        raise entry.fail("follow_ups", "is missing.")
    for table in tables:
        table.only(("id", *both("question", "answer")))
    follow_ups = tuple(
        FollowUp(table.slug(), table.localized("question"), table.localized("answer")) for table in tables
    )
    check_unique(zip(tables, (follow_up.id for follow_up in follow_ups), strict=True))
    return follow_ups


def read_cues(entry: Entry) -> tuple[Cue, ...]:
    """Read `[[cues]]`: at least one for each of the tiers 60, 80 and 100."""
    tables = entry.tables("cues")
    for table in tables:
        table.only(("tier", *both("text")))
    cues = tuple(Cue(read_tier(table), table.localized("text")) for table in tables)
    for tier in TIERS[:3]:
        if not any(cue.tier == tier for cue in cues):
            raise entry.fail("cues", f"has none for tier {tier}.")
    return cues


def read_tier(entry: Entry) -> Tier:
    """Read `tier`: 60, 80, 100 or "bonus"."""
    value = entry.data.get("tier")
    for tier in TIERS:
        if type(value) is type(tier) and value == tier:
            return tier
    raise entry.fail("tier", f'must be 60, 80, 100 or "bonus", not {value!r}.')


def _choice(entry: Entry) -> Choice:
    entry.only(("id", *both("text")))
    return Choice(entry.text("id", SLUG, "a name in small letters"), entry.localized("text"))


def _wrong_answer(entry: Entry, choices: tuple[Choice, ...], limits: Limits) -> WrongAnswer:
    entry.only(("answer", *both("text")))
    answer = entry.data["answer"]
    if choices:
        return WrongAnswer(
            entry.one_of("answer", tuple(choice.id for choice in choices)), entry.localized("text")
        )
    number = finite(answer)
    if number is None:
        raise entry.fail("answer", f"must be a number, not {answer}.")
    if limits.refusal(number):
        raise entry.fail("answer", f"{answer} is outside the limits of its prediction: nobody can give it.")
    return WrongAnswer(number, entry.localized("text"))
