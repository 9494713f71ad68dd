"""An experiment's class: what is missing or misspelt fails at once, what is optional has a default."""

from __future__ import annotations

import shlex
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from labs.__main__ import main
from labs.contract import Calculator, Context, DeviceClass, Experiment, Params, Shown, Words, real, whole
from labs.contract.registry import Registry
from labs.tools.budgets import PerDevice

REGISTRY = Registry.discover()
WRONG_PARTS = ("numbers", "shwo", "figures", "so_fra", "Show", "versoin")


@dataclass(frozen=True)
class RampParams(Params):
    """A slope that is measured, and a zoom that is not."""

    slope: float = real(2.0, 0, 10, step=0.5)
    points: int = whole(3, 1, 9)
    zoom: int = whole(1, 1, 4, view=True)


class Ramp(Experiment[RampParams, dict[str, Any]]):
    """With the parts that every experiment needs, and a helper."""

    id = "q98/ramp"

    def seconds(self, params: RampParams, device: DeviceClass) -> float:
        return 0.5 * params.points

    def measure(self, params: RampParams, ctx: Context) -> dict[str, Any]:
        return {"last": self._last(params)}

    def _last(self, params: RampParams) -> float:
        return params.slope * (params.points - 1)


class Viewed(Ramp):
    """With a view and figures of it."""

    id = "q98/viewed"

    def view(self, params: RampParams, result: dict[str, Any]) -> dict[str, Any]:
        return {"last": result["last"] * params.zoom}

    def show(self, result: dict[str, Any], text: Words) -> Shown:
        return Shown({}, numbers={"last": result["view"]["last"]})


class Doubled(Calculator[RampParams, dict[str, Any]]):
    """All of it is view."""

    def view(self, params: RampParams, result: dict[str, Any]) -> dict[str, Any]:
        return {"twice": 2 * params.slope}


def made(base: Any = Experiment[RampParams, dict], **parts: Any) -> type:
    """A class with these parts, as a class statement makes it."""
    return types.new_class("Wrong", (base,), {}, lambda namespace: namespace.update(parts))


@pytest.mark.parametrize("name", WRONG_PARTS)
def test_a_part_that_is_none_fails(name: str) -> None:
    with pytest.raises(TypeError, match=rf"Wrong\.{name} is no part of an experiment; the parts are .*show"):
        made(id="q98/wrong", **{name: lambda self, result, text: {}})
    with pytest.raises(TypeError, match=rf"Wrong\.{name} is no part"):
        made(Ramp, id="q98/wrong", **{name: 1})


def test_helpers_of_a_class_begin_with_an_underscore() -> None:
    assert Ramp().measure(RampParams(slope=3.0), None) == {"last": 6.0}  # type: ignore[arg-type]
    assert made(Ramp, id="q98/right", _helper=lambda self: 1)()


def test_without_its_types_it_fails() -> None:
    with pytest.raises(TypeError, match=r"needs its two types: Experiment\[Params, Result\]"):
        made(Experiment, id="q98/wrong")


def test_a_calculator_runs_nothing_and_is_drawn_at_once() -> None:
    doubled, params = Doubled(), RampParams(slope=3.0)
    assert doubled.id.endswith("/test_experiment") and doubled.params is RampParams
    assert doubled.measure(params, None) == doubled.formula(params) == {"model": None}  # type: ignore[arg-type]
    assert doubled.complete(params, doubled.formula(params)) == {"model": None, "view": {"twice": 6.0}}
    assert doubled.drawn_by_formula and doubled.seconds(params, "cpu") < 0.1
    assert doubled.source().startswith("def view")


def test_it_is_called_by_its_lab_and_its_file() -> None:
    assert made(__module__="labs.q98_ramps.steep", takes=1.0).id == "q98/steep"
    assert made(Ramp, __module__="labs.q98_ramps.steep").id == Ramp.id == "q98/ramp"


def test_without_a_measurement_nothing_can_be_listed() -> None:
    incomplete = made(id="q98/wrong", takes=1.0)
    with pytest.raises(TypeError, match=r"abstract.*measure"):
        incomplete()


def test_without_an_estimate_it_fails() -> None:
    with pytest.raises(TypeError, match="Wrong needs an estimate: takes, or seconds"):
        made(id="q98/wrong", measure=Ramp.measure)


@pytest.mark.parametrize(("takes", "seconds"), [(3, (3, 3)), (PerDevice(cpu=2.0, cuda=0.5), (2.0, 0.5))])
def test_what_always_takes_as_long_says_so_in_a_word(takes: Any, seconds: tuple[float, float]) -> None:
    steady = made(id="q98/steady", measure=Ramp.measure, takes=takes)()
    assert tuple(steady.seconds(RampParams(), device) for device in ("cpu", "cuda")) == seconds


def test_the_parts_of_a_run_are_equal_and_in_order() -> None:
    heard: list[tuple[Any, ...]] = []
    run = types.SimpleNamespace(part=lambda *told, **values: heard.append((*told, values)))
    for way, part in Context.parts(run, ["slow", "quick"], 0.25, 0.75):  # type: ignore[arg-type]
        part("timing", way=way)
    assert heard == [(0.25, 0.5, "timing", {"way": "slow"}), (0.5, 0.75, "timing", {"way": "quick"})]


MISSPELT = """
from labs.contract import Experiment, Params

class Bugs(Experiment[Params, dict]):
    def seconds(self, params, device): return 1.0
    def measure(self, params, ctx): return {}
    def nubmers(self, result, text): return {}
"""
RIGHT = MISSPELT.replace("def nubmers", "def _nubmers")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (MISSPELT, "Bugs.nubmers is no part"),
        (RIGHT.replace("def measure", "def _measure"), "measure"),
        (RIGHT.replace("[Params, dict]", ""), "needs its two types"),
        ("", "bugs is listed as an experiment, and has 0 of them"),
        (RIGHT + RIGHT.replace("Bugs", "More"), "bugs is listed as an experiment, and has 2 of them"),
    ],
)
def test_a_lab_with_a_wrong_experiment_fails_when_it_is_imported(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / f"wrong_lab_{tmp_path.name}"
    folder.mkdir()
    (folder / "__init__.py").write_text('EXPERIMENTS = ("bugs",)\n', encoding="utf-8")
    (folder / "bugs.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry([folder.name])  # finds it and imports nothing of it
    with pytest.raises(TypeError, match=message):
        list(registry)


def test_what_is_optional_has_a_default() -> None:
    ramp, params, result = Ramp(), RampParams(), {"last": 4.0}
    assert (ramp.version, ramp.keep, ramp.drawn_by_formula) == (1, True, False)
    assert ramp.formula(params) is ramp.so_far(params, [{"y": 1}]) is ramp.view(params, result) is None
    assert ramp.complete(params, result) is result
    shown = ramp.show(result, str)
    assert not (shown.figures or shown.rows or shown.notes or shown.numbers or shown.sentence)


def test_a_view_is_added_to_the_result_and_leaves_it_alone() -> None:
    result = {"last": 4.0}
    assert Viewed().complete(RampParams(zoom=3), result) == {"last": 4.0, "view": {"last": 12.0}}
    assert result == {"last": 4.0}


def test_its_names_and_types_are_known() -> None:
    ramp = Ramp()
    assert (ramp.lab, ramp.name, ramp.title) == ("q98", "ramp", "q98.ramp.title")
    assert ramp.params is RampParams and ramp.result == dict[str, Any]
    assert not ramp.instant and REGISTRY.find("q13/manual").instant
    assert Viewed().params is RampParams, "a class takes over its base's types"


def test_a_key_tells_apart_what_would_measure_something_else() -> None:
    ramp, params = Ramp(), RampParams.from_dict({"slope": 1})
    other_version = made(Ramp, id=Ramp.id, version=2)()
    assert ramp.key(params) == ramp.key(RampParams(slope=1.0, zoom=4)), "a view field measures nothing"
    different = [
        ramp.key(params),
        ramp.key(RampParams(slope=2)),
        ramp.key(params, device="a"),
        ramp.key(params, device="b"),
        Viewed().key(params),
        other_version.key(params),
    ]
    assert len(set(different)) == len(different)


def test_the_source_is_that_of_measure() -> None:
    source = Ramp().source()
    assert source.startswith("def measure(self, params: RampParams, ctx: Context)")
    assert source.splitlines()[1:] == ['    return {"last": self._last(params)}']
    assert Viewed().source() == source


def test_the_command_names_what_differs_from_the_defaults() -> None:
    ramp = Ramp()
    assert ramp.command(RampParams()) == "python -m labs run q98/ramp"
    assert ramp.command(RampParams(points=5, zoom=2), device="cpu") == (
        "python -m labs run q98/ramp --set points=5 --set zoom=2 --device cpu"
    )


def test_the_command_repeats_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    experiment = REGISTRY.find("q13")
    params = experiment.params.from_dict({"prompt": "it's a 'test' 今天", "temperature": 0.7, "top_k": 5})
    words = shlex.split(experiment.command(params, device="cpu", dtype="bf16", model="random:byte-128"))
    assert words[:3] == ["python", "-m", "labs"]
    assert main(words[3:]) == 0
    assert experiment.id in capsys.readouterr().out
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    assert experiment.params.from_dict(settings) == params


def test_a_part_of_a_run_reports_its_own_share() -> None:
    heard: list[tuple[float, str, dict[str, Any]]] = []

    class Listener:
        part = Context.part

        def progress(self, fraction: float, doing: str = "", **values: Any) -> None:
            heard.append((round(fraction, 12), doing, values))

    on_progress = Listener().part(0.2, 0.8, "training", kind="mha")  # type: ignore[misc]
    on_progress(0.0)
    on_progress(0.5)
    on_progress(1.0)
    assert heard == [(0.2, "training", {"kind": "mha"}), (0.2, "", {}), (0.5, "", {}), (0.8, "", {})]
