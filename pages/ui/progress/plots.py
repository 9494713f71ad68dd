"""The plots of a scored attempt, for a document: of each experiment that it predicted, the main one.

Drawn from the very run that was measured for the attempt, where it is still kept: its number has to be the
attempt's. Else from the recorded run, which is said, or by the formula. Needs no running page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from labs.claims.checks import value_at
from labs.claims.recordings import recorded
from labs.contract import Data, Experiment, Params, Shown
from labs.contract.drawing import Figure
from labs.runner.job import Job
from pages.ui.experiments import experiment, formula_at, registry
from pages.ui.lab.charts import in_words, paint, without_links
from pages.ui.lab.findings import HEIGHT, cell
from pages.ui.lab.still.picture import is_drawable, svg
from pages.ui.progress.words import Words
from pages.ui.words.i18n import catalogue
from pages.ui.words.markdown import Filled
from pages.ui.words.marks import signed, widened
from questions import Prediction, Renderer
from study import predictions
from study.report import Marked, Picture, Table, readable
from study.store import Attempt

MOST = 3
Find = Callable[[str, Params], Job | None]
"""Gives the kept run of an experiment at settings, such as `WorkerClient.find`."""
_QUICK_SECONDS = 0.3


class _Source(NamedTuple):
    """A completed result and where it comes from."""

    result: Data
    where: str
    recorded: bool


def plots(renderer: Renderer, attempt: Attempt, words: Words, find: Find) -> Iterator[Picture]:
    """Three at most, in the order of the predictions of the renderer's question."""
    asked: dict[tuple[str, str], Prediction] = {}
    for prediction in renderer.question.predictions:
        if prediction.experiment in registry():
            asked.setdefault((prediction.experiment, json.dumps(dict(prediction.params))), prediction)
    for prediction in list(asked.values())[:MOST]:
        measuring = experiment(prediction.experiment)
        params = measuring.params.from_dict(dict(prediction.params))
        source = _source(measuring, params, prediction, attempt, words, find)
        if source is not None:
            yield from _picture(measuring, renderer.text(prediction.question), source, words)


def _source(
    measuring: Experiment, params: Params, prediction: Prediction, attempt: Attempt, words: Words, find: Find
) -> _Source | None:
    job = None if measuring.instant else find(measuring.id, params)
    if job is not None and job.wait(_QUICK_SECONDS) and job.record is not None:
        result = measuring.complete(params, job.record["result"])
        if _is_of(prediction, attempt, result):
            return _Source(result, words("report.measured_on", place=_place(job.record)), False)
    for record in () if measuring.instant else recorded(measuring.id):
        run_with = measuring.params.from_dict(record["params"])
        if run_with.measured() == params.measured():
            where = words("report.recorded_on", place=_place(record), date=record["date"][:10])
            return _Source(measuring.complete(run_with, record["result"]), where, True)
    formula = formula_at(measuring, params) if measuring.drawn_by_formula else None
    if formula is None:
        return None
    return _Source(measuring.complete(params, formula), words("report.by_formula"), False)


def _is_of(prediction: Prediction, attempt: Attempt, result: Data) -> bool:
    """Whether a run gave the number that the attempt has; one without a number may have any."""
    known = predictions.readable(prediction, attempt.measurements.get(prediction.id))
    try:
        return (
            known is None or predictions.readable(prediction, value_at(result, prediction.measures)) == known
        )
    except (LookupError, TypeError):
        return False


def _place(record: Mapping[str, Any]) -> str:
    versions = [f"{name} {version}" for name, version in record["versions"].items()]
    return ", ".join([record["device_name"], record["dtype"], *versions])


def _picture(measuring: Experiment, asked: str, source: _Source, words: Words) -> Iterator[Picture]:
    drawn = measuring.show(source.result, _words_of_lab(measuring.lab, words))
    name, figure = next(iter(drawn.figures.items()))
    if not is_drawable(figure.to_dict()):
        return
    title = words(f"{measuring.lab}.figure.{measuring.name}.{name}")
    yield Picture(
        Marked(asked),
        words(measuring.title) + (f" · {title}" if len(drawn.figures) > 1 else ""),
        _drawn(figure, title, source, words),
        source.where,
        words("bench.table"),
        _table(drawn, words),
    )


def _drawn(figure: Figure, title: str, source: _Source, words: Words) -> str:
    painted = signed(without_links(json.dumps(paint(figure, recorded=source.recorded), ensure_ascii=False)))
    told = in_words(figure, title, words("claims.comma"))
    data = json.loads(_labelled(painted, words))
    return readable(svg(data, _labelled(told, words), height=figure.height or HEIGHT))


def _table(drawn: Shown, words: Words) -> Table | None:
    if not drawn.rows:
        return None
    names = list(dict.fromkeys(name for row in drawn.rows for name in row))
    rows = (tuple(Marked(cell(row.get(name, "–"))) for name in names) for row in drawn.rows)
    return Table(tuple(_labelled(name, words) for name in names), tuple(rows))


def _labelled(text: str, words: Words) -> str:
    return widened(text) if words.language == "zh" else text


def _words_of_lab(lab: str, words: Words) -> Callable[..., str]:
    strings = catalogue(words.language)
    return lambda key, **values: Filled(strings[f"{lab}.{key}"], values)
