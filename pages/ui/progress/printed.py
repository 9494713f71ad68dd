"""A scored attempt as a report: question, answer, help, predictions with three numbers, rubric, score, time.

Made of what the store holds, which may be older than the question is now: a prediction or a line of the
rubric that is no longer there keeps its id and what was said. Needs no running page, so that a download is
made when it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pages.ui.progress import runs
from pages.ui.progress.plots import Find, plots
from pages.ui.progress.three_numbers import formula_of, is_measured, number, shown
from pages.ui.progress.tickets import taken
from pages.ui.progress.words import Words
from questions import Prediction, Question, Renderer
from questions.interview import TIERS
from study.calibration import Judged, interval_names, interval_of, judgement
from study.progress import REFERENCE
from study.report import Block, Marked, Report, Section, Table, Tick, Written
from study.scoring import met_lines
from study.store import Attempt

_HINT = re.compile(r"hint-(\d+)")


def report(renderer: Renderer, attempt: Attempt, index: int, words: Words, find: Find) -> Report:
    """The report of the attempt with this number, counted from 1; `renderer` has its question.

    `find` gives kept runs for its plots.
    """
    question = renderer.question
    own = list(own_sections(renderer, attempt, words))
    if drawn := tuple(plots(renderer, attempt, words, find)):
        own.insert(-1, Section(words("report.plots"), drawn))
    return Report(
        title=f"{question.id} · {question.title[words.language]}",
        facts=tuple(_facts(attempt, index, words)),
        sections=(
            Section(
                words("study.question"), (Marked(renderer.fill(question.prose[words.language].question)),)
            ),
            *own,
        ),
    )


def own_sections(renderer: Renderer, attempt: Attempt, words: Words) -> tuple[Section, ...]:
    """What is the person's own: answer, predictions where there are any, rubric."""
    return (answer(attempt, words), *judged_sections(renderer, attempt, words, words("report.said")))


def judged_sections(renderer: Renderer, attempt: Attempt, words: Words, said: str) -> tuple[Section, ...]:
    """Predictions where there are any, below `said` what was predicted; and the rubric."""
    sections = []
    if rows := tuple(_predictions(renderer, attempt, words)):
        names = (words(f"report.{name}") for name in ("formula", "measured", "verdict"))
        head = (words("report.prediction"), said, *names)
        places = tuple(_places(renderer.question, attempt, words))
        sections.append(Section(words("report.predictions"), (Table(head, rows), *places)))
    sections.append(Section(words("report.rubric"), tuple(_rubric(renderer, attempt, words))))
    return tuple(sections)


def answer(attempt: Attempt, words: Words) -> Section:
    """What the person wrote."""
    return Section(words("report.answer"), (text_of(attempt, words),))


def text_of(attempt: Attempt, words: Words) -> Block:
    """What was written, or that it was nothing."""
    return Written(attempt.text) if attempt.text.strip() else words("report.no_answer")


def _facts(attempt: Attempt, index: int, words: Words) -> Iterator[tuple[str, str]]:
    yield words("report.score"), words("score.points", points=attempt.tier)
    yield words("report.attempt"), str(index)
    yield words("report.date"), words.date_and_time(attempt.finished or 0.0)
    yield words("report.time"), words.duration(attempt.seconds)
    yield words("report.help"), _help(attempt, words)


def _help(attempt: Attempt, words: Words) -> str:
    used = [
        words("hints.step", step=int(hint[1]))
        for hint in map(_HINT.fullmatch, sorted(attempt.help_used))
        if hint
    ]
    if REFERENCE in attempt.help_used and not attempt.text.strip():
        used.append(words("score.reference_first"))
    return " · ".join(used) or words("report.no_help")


def _predictions(renderer: Renderer, attempt: Attempt, words: Words) -> Iterator[tuple[str, ...]]:
    """A row for each prediction that was made or skipped; those that the question no longer has come last."""
    question = renderer.question
    made = attempt.predictions.keys()
    asked = (*question.predictions, *taken(made))
    known = {prediction.id for prediction in asked}
    ends = {end for name in made for end in interval_names(name)}
    for prediction in asked:
        if prediction.id in attempt.predictions:
            yield _row(renderer, attempt, prediction, words)
    for name in sorted(made - known - ends):
        said, measured = attempt.predictions[name], attempt.measurements.get(name)
        yield name, _raw(said), "–", _raw(measured), words("report.gone")


def _row(renderer: Renderer, attempt: Attempt, prediction: Prediction, words: Words) -> tuple[str, ...]:
    stored = attempt.predictions[prediction.id]
    said = shown(prediction, stored, renderer)
    if interval := interval_of(attempt.predictions, prediction.id):
        low, high = (shown(prediction, limit, renderer) for limit in interval)
        said = words("report.interval", said=said, low=low, high=high)
    formula = formula_of(prediction)
    by_formula_alone = formula is not None and not is_measured(prediction)
    measured = None if by_formula_alone else attempt.measurements.get(prediction.id)
    return (
        Marked(renderer.text(prediction.question)),
        Marked(words("report.skipped") if stored is None else said),
        Marked(shown(prediction, formula, renderer)),
        Marked(shown(prediction, measured, renderer)),
        _verdict(judgement(renderer.question, prediction, attempt), words),
    )


def _verdict(judged: Judged | None, words: Words) -> str:
    if judged is None or judged.outcome.correct is None:
        return "–"
    if judged.outcome.exact:
        return words("report.exact")
    return words("report.right" if judged.outcome.correct else "report.off")


def _raw(value: Any) -> str:
    """A stored value whose prediction nobody knows any more; what was skipped, or is no value, is a dash."""
    if isinstance(value, str):
        return value
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else "–"


def _places(question: Question, attempt: Attempt, words: Words) -> Iterator[str]:
    """On what was measured, each place once."""
    asked = (*question.predictions, *taken(attempt.predictions))
    found = [runs.where(attempt, prediction.id) for prediction in asked if is_measured(prediction)]
    for place in dict.fromkeys(filter(None, found)):
        yield words("report.measured_on", place=place)


def _rubric(renderer: Renderer, attempt: Attempt, words: Words) -> Iterator[Block]:
    question = renderer.question
    judged = [judgement(question, prediction, attempt) for prediction in question.predictions]
    decisions = {each.outcome.prediction: each.outcome.correct for each in judged if each is not None}
    met = met_lines(question.rubric, attempt.ticks, decisions)
    for tier in TIERS:
        lines = [line for line in question.rubric if line.tier == tier]
        if lines:
            yield Marked(f"**{words(f'score.tier.{tier}')}**")
            yield tuple(
                Tick(
                    line.id in met,
                    Marked(renderer.text(line.text)),
                    words("report.decided") if decisions.get(line.decided_by or "") is not None else "",
                )
                for line in lines
            )
    gone = sorted(set(attempt.ticks) - {line.id for line in question.rubric})
    if gone:
        yield words("report.ticks_gone", ids=", ".join(gone))
