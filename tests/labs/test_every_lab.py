"""What holds for every experiment of every lab, the next one included: nothing here knows a question."""

from __future__ import annotations

import ast
import importlib
import math
import string
import time
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args

import plotly.graph_objects as go
import pytest
from typeguard import CollectionCheckStrategy, check_type

from labs.claims.checks import value_at
from labs.claims.recordings import FOLDER, paths_of, variant
from labs.contract import jsonable
from labs.contract.calculator import Calculator
from labs.contract.drawing import Figure, Role
from labs.contract.experiment import Data, DeviceClass, Experiment, Shown
from labs.contract.fields import Choice, Number, Switch
from labs.contract.params import Params, lab_of
from labs.contract.registry import LANGUAGES, ROOT, Registry, flatten, words_of
from labs.contract.shapes import Shapes
from labs.runner.inline import InlineClient
from labs.runner.job import Job
from questions import Question, load_questions
from tests.labs.one_lab import strings

REGISTRY = Registry.discover()
EVERY = list(REGISTRY)
Node = TypeVar("Node", bound=ast.AST)
QUICK_SECONDS = 2.0
"""An experiment without a recording is run here if it takes no longer."""

every_experiment = pytest.mark.parametrize("experiment", EVERY, ids=lambda experiment: experiment.id)
every_lab = pytest.mark.parametrize("package", REGISTRY.packages)


class Watch:
    """What the one client calls at every word of a run; a test puts its own in place."""

    def __init__(self) -> None:
        self.hear: Callable[[Job], None] = lambda _job: None

    def __call__(self, job: Job) -> None:
        self.hear(job)


WATCH = Watch()


@cache
def client() -> InlineClient:
    return InlineClient.start("cpu", registry=REGISTRY, watch=WATCH)


def words_in(folder: Path, language: str) -> dict[str, str]:
    text = (folder / f"{language}.toml").read_text(encoding="utf-8")
    return dict(flatten(tomllib.loads(text)))


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@cache
def completed(experiment: Experiment[Any, Any]) -> list[tuple[str, Params, Data]]:
    """Results with their settings: all recorded ones, or where there are none a quick run here."""
    results = []
    for path in paths_of(experiment.id):
        record = jsonable.loads(path.read_bytes())
        results.append(
            (str(path.relative_to(FOLDER)), experiment.params.from_dict(record["params"]), record["result"])
        )
    if not results and experiment.seconds(experiment.params(), "cpu") <= QUICK_SECONDS:
        job = client().submit(experiment.id)
        assert job.state == "done", job.error
        results.append(("run here", experiment.params(), jsonable.loads(jsonable.dumps(job.result))))
    return [(name, params, experiment.complete(params, result)) for name, params, result in results]


def all_shown(experiment: Experiment[Any, Any], language: str) -> Iterator[tuple[str, Shown]]:
    """What is seen of its results, and of its formula where that is drawn."""
    text = words_of(experiment.lab, strings(language))
    for name, _, result in completed(experiment):
        yield name, experiment.show(result, text)
    if experiment.drawn_by_formula:
        params = experiment.params()
        yield "formula", experiment.show(experiment.complete(params, experiment.formula(params)), text)


def folder_of(package: str) -> Path:
    return Path(importlib.import_module(package).__file__ or "").parent


def nodes(path: Path, kind: type[Node]) -> Iterator[Node]:
    """The syntax nodes of one kind in a file, or in all files of a folder."""
    for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, kind):
                yield node


@every_experiment
def test_it_is_found_by_its_name(experiment: Experiment[Any, Any]) -> None:
    module = type(experiment).__module__.split(".")
    assert module[-1] == experiment.name, "an experiment's file is called by its name"
    assert experiment.lab in (module[-2], module[-2].partition("_")[0])
    assert REGISTRY.find(experiment.id) is experiment


@every_lab
def test_every_experiment_of_a_folder_is_listed(package: str) -> None:
    files = folder_of(package).glob("*.py")
    defined = [path.stem for path in files if any(map(is_experiment, nodes(path, ast.ClassDef)))]
    assert sorted(importlib.import_module(package).EXPERIMENTS) == sorted(defined)


def is_experiment(node: ast.ClassDef) -> bool:
    bases = [base.value for base in node.bases if isinstance(base, ast.Subscript)]
    return any(isinstance(base, ast.Name) and base.id in ("Experiment", "Calculator") for base in bases)


@every_experiment
def test_its_parameters_come_back_from_text(experiment: Experiment[Any, Any]) -> None:
    params = experiment.params()
    assert experiment.params.from_dict(params.to_dict()) == params
    texts = {name: str(value) for name, value in params.to_dict().items()}
    assert experiment.params.from_dict(texts) == params
    assert sum(field.primary for field in experiment.params.specs()) <= 3


@every_experiment
def test_its_boxes_are_named_offered_and_revealed_by_a_switch(experiment: Experiment[Any, Any]) -> None:
    params = experiment.params()
    for spec in params.specs():
        if not isinstance(spec, Shapes):
            continue
        assert {f"{spec.label}.{box}" for box in spec.boxes} <= strings("en").keys() & strings("zh").keys()
        assert any(isinstance(other, Switch) and other.name == spec.reveal for other in params.specs())
        for _, run_with, result in completed(experiment):
            shown = type(run_with).from_dict(run_with.to_dict() | {spec.reveal: True})
            answers, offered = experiment.complete(shown, result)["view"]["answers"], shown.offered()
            assert set(answers) == set(offered) == set(spec.boxes)
            assert all(len(offered[box]) > 1 and answers[box] in offered[box] for box in spec.boxes)
            hidden = result["view"]
            assert not hidden["answers"] and not hidden["reasons"], (
                "what is right is seen before it is asked for"
            )


@every_experiment
def test_its_units_are_known_to_the_pages(experiment: Experiment[Any, Any]) -> None:
    known = words_in(ROOT / "pages/ui/words/strings", "en")
    assert [
        spec.unit for spec in experiment.params.specs() if spec.unit and f"unit.{spec.unit}" not in known
    ] == []


@every_experiment
def test_its_source_is_what_measures_or_calculates(experiment: Experiment[Any, Any]) -> None:
    part = "view" if isinstance(experiment, Calculator) else "measure"
    assert experiment.source().startswith(f"def {part}(self, ")


@pytest.mark.parametrize(
    "folder", [ROOT / "labs", *map(folder_of, REGISTRY.packages)], ids=lambda path: path.name
)
def test_both_languages_have_the_same_words(folder: Path) -> None:
    """The same keys, and the same values in their templates."""
    english, chinese = (words_in(folder, language) for language in LANGUAGES)
    assert english.keys() == chinese.keys()
    assert [key for key, text in english.items() if placeholders(text) != placeholders(chinese[key])] == []
    assert all(text.strip() for text in (*english.values(), *chinese.values()))


@every_experiment
@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_has_its_words(experiment: Experiment[Any, Any], language: str) -> None:
    known = strings(language)
    wanted = {experiment.title, experiment.title.removesuffix("title") + "about"}
    wanted |= {field.label for field in experiment.params.specs()}
    for _, shown in all_shown(experiment, language):
        titles = {name: f"{experiment.lab}.figure.{experiment.name}.{name}" for name in shown.figures}
        wanted |= set(titles.values())
        assert len({known.get(key) for key in titles.values()}) == len(titles), "two figures have one title"
    assert wanted - known.keys() == set()


@every_lab
def test_what_a_run_says_it_does_has_words(package: str) -> None:
    known, lab = strings("en"), lab_of(f"{package}.words")
    for call in nodes(folder_of(package), ast.Call):
        index = {"progress": 1, "part": 2}.get(getattr(call.func, "attr", ""), len(call.args))
        doing = call.args[index] if index < len(call.args) else None
        if isinstance(doing, ast.Constant):
            template = known[f"{lab}.progress.{doing.value}"]
            assert placeholders(template) <= {keyword.arg for keyword in call.keywords}, doing.value


@every_experiment
def test_its_results_are_as_declared_and_fit_the_wire(experiment: Experiment[Any, Any]) -> None:
    for name, _, result in completed(experiment):
        check_type(result, experiment.result, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
        assert len(jsonable.dumps(result)) <= jsonable.MAX_RESULT_BYTES, name


@every_experiment
def test_its_figures_mean_something_and_plotly_takes_them(experiment: Experiment[Any, Any]) -> None:
    for name, shown in all_shown(experiment, "zh"):
        for title, figure in shown.figures.items():
            assert isinstance(figure, Figure) and figure.data, (name, title)
            roles = {trace["meta"]["role"] for trace in figure.data if trace.get("mode") != "text"}
            assert roles and roles <= set(get_args(Role)), (name, title)
            go.Figure(figure.to_dict())  # refuses what plotly does not know


@every_experiment
def test_its_rows_notes_and_numbers_can_be_read(experiment: Experiment[Any, Any]) -> None:
    for name, shown in all_shown(experiment, "en"):
        assert len({tuple(row) for row in shown.rows}) <= 1, f"{name}: rows with different columns"
        assert all(note and "{" not in note and "%(" not in note for note in shown.notes), name
        assert [label for label, number in shown.numbers.items() if not math.isfinite(number)] == [], name


@pytest.mark.parametrize("experiment", REGISTRY.of_questions(), ids=lambda experiment: experiment.id)
def test_a_finished_run_shows_something(experiment: Experiment[Any, Any]) -> None:
    assert completed(experiment), "record it, or let its defaults be quick"
    for name, shown in all_shown(experiment, "en"):
        assert shown.figures, name


@pytest.mark.parametrize("experiment", REGISTRY.of_questions(), ids=lambda experiment: experiment.id)
def test_a_finished_run_has_its_exact_numbers_and_says_what_its_sentence_is_about(
    experiment: Experiment[Any, Any],
) -> None:
    for name, shown in all_shown(experiment, "en"):
        assert shown.rows or name == "formula", f"{name}: no table"
        if shown.sentence is not None and name != "formula":
            numbers = [shown.sentence[part] for part in ("said", "formula", "measured")]
            assert all(map(math.isfinite, numbers)) and "unit" in shown.sentence, name
            assert shown.notes, f"{name}: nothing says what the three numbers are"


@pytest.mark.parametrize("question", load_questions(), ids=lambda question: question.id)
def test_what_a_question_measures_is_there(question: Question) -> None:
    """In a result at the very settings that are asked for; other settings are for `test_predictions.py`."""
    for entry in (*question.predictions, *question.claims):
        if entry.experiment not in REGISTRY or entry.measures is None:
            continue
        experiment = REGISTRY.find(entry.experiment)
        asked = experiment.params.from_dict(getattr(entry, "params", {}))
        results = [
            result for _, params, result in completed(experiment) if params.measured() == asked.measured()
        ]
        for result in results:
            value = value_at(experiment.complete(asked, result), entry.measures)
            assert value is not None and value != "" and value != {}, entry.id
        assert results or asked != experiment.params(), f"{entry.id}: nothing at the defaults"


@every_experiment
@pytest.mark.parametrize("device", get_args(DeviceClass))
def test_estimates_are_positive_and_grow_with_the_work(
    experiment: Experiment[Any, Any], device: DeviceClass
) -> None:
    assert experiment.seconds(experiment.params(), device) > 0
    for field in experiment.params.specs():
        if isinstance(field, Number) and field.whole and field.primary and not field.view:
            few, many = (
                experiment.seconds(experiment.params.clamp({field.name: value})[0], device)
                for value in (max(field.minimum, 1), field.maximum)
            )
            assert few <= many * 1.001, f"{field.name}: {few} s for the least, {many} s for the most"


@pytest.mark.parametrize("key", sorted({experiment.lab for experiment in REGISTRY.of_questions()}))
def test_the_primary_experiment_is_quick(key: str) -> None:
    primary = REGISTRY.find(key)
    assert primary.seconds(primary.params(), "cpu") <= 10
    assert primary.seconds(primary.params(), "cuda") <= 5


@every_experiment
def test_a_cancel_is_heard(experiment: Experiment[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled at its second word, a run ends after two more seconds of this thread's own time at most."""
    heard: list[float] = []

    def cancel(job: Job) -> None:
        heard.append(time.thread_time())
        if len(heard) == 2:
            job.cancel()

    monkeypatch.setattr(WATCH, "hear", cancel)
    began = time.thread_time()
    job = client().submit(experiment.id)
    assert job.state in ("cancelled", "done"), job.error
    asked = heard[1] if len(heard) > 1 else began
    assert time.thread_time() - asked < 2.0


@every_experiment
def test_choices_read_as_words_or_as_themselves(experiment: Experiment[Any, Any]) -> None:
    """A choice with words in one language has them in the other: a menu never mixes two languages."""
    english, chinese = (strings(language) for language in LANGUAGES)
    for field in experiment.params.specs():
        if isinstance(field, Choice):
            keys = {f"{field.label}.{choice}" for choice in field.choices}
            assert keys & english.keys() == keys & chinese.keys(), field.name


def test_recordings_stand_where_their_settings_say() -> None:
    for experiment in REGISTRY.of_questions():
        for path in paths_of(experiment.id):
            record = jsonable.loads(path.read_bytes())
            params = experiment.params.from_dict(record["params"])
            assert path.parent == FOLDER / experiment.id / variant(params), path
