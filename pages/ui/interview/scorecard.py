"""The scorecard of an interview: scores by part and level, then for each question the evidence of its score.

One document in three forms: a web page, Markdown, and JSON for other programs. Draws only the buttons.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial

import streamlit as st

from pages.ui.interview import kept
from pages.ui.interview.kept import Line
from pages.ui.interview.marks import at, worth
from pages.ui.progress import printed
from pages.ui.progress.words import Words
from pages.ui.study.shown_number import shown_number
from pages.ui.words.i18n import t
from pages.ui.words.question_text import renderer_of
from questions import PARTS, Question, Renderer
from questions.loader import LEVELS
from study.interview import Record, as_attempt, budget
from study.report import Marked, Report, Section, Table, to_markdown
from study.report_html import to_html

FORMAT = "minimind-interview"
VERSION = 1


def buttons(line: Line, words: Words) -> None:
    """Draw the buttons that give the scorecard to take away; made when somebody asks."""
    renderers = [renderer_of(question) for question in kept.asked(line.interview)]
    name = f"interview-{words.date(line.interview.started)}"
    kinds: tuple[tuple[str, str, str, Callable[[Line, list[Renderer], Words], str]], ...] = (
        ("html", "html", "text/html", as_html),
        ("markdown", "md", "text/markdown", as_markdown),
        ("json", "json", "application/json", as_json),
    )
    for kind, ending, mime, make in kinds:
        st.download_button(
            t(f"interview.as_{kind}"),
            partial(make, line, renderers, words),
            f"{name}.{ending}",
            mime,
            on_click="ignore",
            key=f"interview.as_{kind}",
        )


def rows(line: Line, questions: Iterable[Question], words: Words) -> tuple[tuple[str, ...], ...]:
    """For each question its name, part, level, time against budget, and score."""
    found = []
    for question in questions:
        record = line.record(question.key)
        used = words("mock.time", used=round(record.seconds / 60), budget=budget(question.level))
        found.append(
            (
                f"{question.id} · {question.short[words.language]}",
                words(f"part.{question.part}"),
                words(f"level.{question.level}"),
                used if record.asked else "–",
                _points(line, question, record, words),
            )
        )
    return tuple(found)


def head(words: Words) -> tuple[str, ...]:
    """The heads of `rows`."""
    return tuple(words(f"interview.head.{name}") for name in ("question", "part", "level", "time", "score"))


def groups(line: Line, questions: list[Question], words: Words) -> tuple[tuple[str, ...], ...]:
    """The median of each part and of each level over the questions asked, and of how many."""
    kinds = [(words(f"part.{part}"), [each for each in questions if each.part == part]) for part in PARTS]
    kinds += [
        (words(f"level.{level}"), [each for each in questions if each.level == level]) for level in LEVELS
    ]
    found = []
    for name, own in kinds:
        points = [worth(each, record, line.interview).points for each, record in _asked(line, own)]
        if points:
            found.append((name, str(len(points)), f"{statistics.median(points):g}"))
    return tuple(found)


def group_head(words: Words) -> tuple[str, ...]:
    """The heads of `groups`."""
    return tuple(words(f"interview.head.{name}") for name in ("group", "asked", "median"))


def as_html(line: Line, renderers: list[Renderer], words: Words) -> str:
    """The scorecard as one web page."""
    sheets = reports(line, renderers, words)
    return to_html(sheets, title=sheets[0].title, language=words.language)


def as_markdown(line: Line, renderers: list[Renderer], words: Words) -> str:
    """The scorecard in Markdown."""
    return "\n".join(map(to_markdown, reports(line, renderers, words)))


def as_json(line: Line, renderers: list[Renderer], words: Words) -> str:
    """The scorecard for other programs: each question with its evidence, then the whole line of events."""
    interview = line.interview
    content = {
        "format": FORMAT,
        "version": VERSION,
        "candidate": interview.candidate,
        "minutes": interview.minutes,
        "started": interview.started,
        "finished": interview.finished,
        "questions": [_as_data(line, renderer, words) for renderer in renderers],
        "events": [asdict(event) for event in line.events],
    }
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)


def reports(line: Line, renderers: list[Renderer], words: Words) -> list[Report]:
    """The first sheet, then one of each question that was asked."""
    questions, interview = [renderer.question for renderer in renderers], line.interview
    facts = (
        (words("report.date"), words.date_and_time(interview.started)),
        (
            words("mock.time_used"),
            words("mock.time", used=round(line.shown.total / 60), budget=interview.minutes),
        ),
    )
    sections = [Section(words("mock.questions"), (Table(head(words), rows(line, questions, words)),))]
    if found := groups(line, questions, words):
        sections.append(Section(words("interview.by_group"), (Table(group_head(words), found),)))
    first = Report(words("interview.scorecard", name=interview.candidate), facts, tuple(sections))
    asked = [(renderer, line.record(renderer.question.key)) for renderer in renderers]
    return [first, *(_sheet(line, renderer, record, words) for renderer, record in asked if record.asked)]


def _sheet(line: Line, renderer: Renderer, record: Record, words: Words) -> Report:
    """One question: what was written and predicted against what was measured, runs, notes, ticks."""
    question, attempt = renderer.question, as_attempt(line.interview, record)
    facts = (
        (words("report.score"), words("score.points", points=worth(question, record, line.interview).points)),
        (
            words("report.time"),
            words("mock.time", used=round(record.seconds / 60), budget=budget(question.level)),
        ),
        (words("interview.hints"), str(sum(part.startswith("hint-") for part in record.ever_released))),
    )
    sections = [
        Section(words("interview.answer"), (printed.text_of(attempt, words),)),
        *printed.judged_sections(renderer, attempt, words, words("interview.head.said")),
    ]
    if ran := _runs(line, record):
        titles = tuple(
            words(f"interview.head.{name}") for name in ("when", "experiment", "settings", "numbers")
        )
        sections.append(Section(words("interview.lab_runs"), (Table(titles, ran),)))
    if record.notes:
        noted = tuple((at(line.interview, note), str(note.data["text"])) for note in record.notes)
        titles = (words("interview.head.when"), words("interview.head.note"))
        sections.append(Section(words("interview.notes"), (Table(titles, noted),)))
    title = f"{question.id} · {question.title[words.language]}"
    asked = Marked(renderer.fill(question.prose[words.language].question))
    return Report(title, facts, (Section(words("study.question"), (asked,)), *sections))


def _runs(line: Line, record: Record) -> tuple[tuple[str, ...], ...]:
    """Each run of the lab: when, what, with which settings, its numbers."""
    return tuple(
        (
            at(line.interview, run),
            str(run.data.get("experiment", "–")),
            _pairs(run.data.get("settings")),
            _pairs(run.data.get("numbers")),
        )
        for run in record.work.runs
    )


def _pairs(data: object) -> str:
    """Names with values on one line; an import may have brought in anything."""
    pairs = data.items() if isinstance(data, dict) else ()
    return ", ".join(
        f"{name} {shown_number(value) if type(value) is float else value}" for name, value in pairs
    )


def _points(line: Line, question: Question, record: Record, words: Words) -> str:
    return str(worth(question, record, line.interview).points) if record.asked else words("mock.not_reached")


def _asked(line: Line, questions: Iterable[Question]) -> list[tuple[Question, Record]]:
    found = [(question, line.record(question.key)) for question in questions]
    return [pair for pair in found if pair[1].asked]


def _as_data(line: Line, renderer: Renderer, words: Words) -> dict[str, object]:
    question, record = renderer.question, line.record(renderer.question.key)
    result = worth(question, record, line.interview)
    return {
        "question": question.key,
        "title": question.title[words.language],
        "part": question.part,
        "level": question.level,
        "seconds": record.seconds,
        "points": result.points if record.asked else None,
        "bonus": list(result.bonus),
        "ticks": sorted(record.ticks),
        "released": sorted(record.ever_released),
        "text": record.work.text,
        "predictions": dict(record.work.predictions),
        "measurements": dict(record.work.measurements),
        "runs": [run.data for run in record.work.runs],
        "notes": [{"at": at(line.interview, note), "text": note.data["text"]} for note in record.notes],
    }
