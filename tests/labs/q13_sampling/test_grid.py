"""The grid: every recommended setting is a cell, cells differ by their settings only, and what is drawn."""

from __future__ import annotations

import pytest

from labs.contract import Words
from labs.q13_sampling.grid import PROSE_PROMPTS, PYTHON_PROMPTS, Cell, Grid, GridParams, GridResult, presets
from labs.q13_sampling.texts import distinct_pairs, is_valid_python, repetition
from labs.runner.inline import InlineClient
from labs.runner.job import Job
from minimind_core.decoding.generate import generate
from minimind_core.decoding.sampling_params import SamplingParams
from tests.labs.one_lab import Run, completed
from tests.labs.q13_sampling.conftest import MODEL

SMALL = {"size": "small", "samples": 4, "max_new_tokens": 16}


@pytest.fixture(scope="module")
def job(run: Run) -> Job:
    return run("grid", **SMALL)


@pytest.mark.parametrize("size", ["small", "full"])
def test_every_starting_point_is_a_cell(size: str) -> None:
    cells = GridParams(size=size).cells("cpu")
    assert set(presets().values()) <= set(cells) and len(cells) == len(set(cells))
    assert presets()["code"] == (0.2, 0.95) and len(presets()) == 5


def test_what_is_left_to_the_device_suits_it() -> None:
    auto = GridParams()
    assert (len(auto.cells("cpu")), auto.samples_on("cpu")) == (24, 8)
    assert auto.cells("mps") == auto.cells("cpu") and auto.samples_on("mps") == 8
    assert (len(auto.cells("cuda")), auto.samples_on("cuda")) == (63, 32)
    chosen = GridParams(size="small", samples=16)
    assert (len(chosen.cells("cuda")), chosen.samples_on("cuda")) == (24, 16)


def test_every_prompt_begins_valid_python() -> None:
    assert [prompt for prompt in PYTHON_PROMPTS if not is_valid_python(prompt, ended=False)] == []


def test_it_fills_cell_by_cell(job: Job) -> None:
    result = completed(job)
    assert len(result["cells"]) == 24 and len(job.partials) == 48
    for cell in result["cells"]:
        assert set(cell["python"]) == {"valid", "repetition", "distinct", "first"}
        assert set(cell["prose"]) == {"repetition", "distinct", "first"}
        shares = [cell["python"]["valid"]]
        shares += [cell[kind][name] for kind in ("python", "prose") for name in ("repetition", "distinct")]
        assert min(shares) >= 0 and max(shares) <= 1
        assert cell["prose"]["first"].startswith(PROSE_PROMPTS[0])
    assert {
        task: (cell["temperature"], cell["top_p"]) for task, cell in result["presets"].items()
    } == presets()


def test_a_cell_is_what_its_rows_are_alone(client: InlineClient, run: Run) -> None:
    """Row i has prompt i, from the first again after the last, and the seed after row i - 1's."""
    loaded, count = client._host.model(MODEL), 16
    cells = completed(run("grid", size="small", samples=count, max_new_tokens=16, seed=5))["cells"]
    (known,) = (cell for cell in cells if (cell["temperature"], cell["top_p"]) == (0.2, 0.95))
    starts = [PYTHON_PROMPTS[row % len(PYTHON_PROMPTS)] for row in range(count)]
    params = [SamplingParams(temperature=0.2, top_p=0.95, seed=5 + row) for row in range(count)]
    prompts = [loaded.prompt_ids(start) for start in starts]
    eos = loaded.config.eos_id
    ids = generate(loaded.model, prompts, params, 16, stop_ids=(eos,)).new_ids
    texts = [start + loaded.tokenizer.decode(new) for start, new in zip(starts, ids, strict=True)]
    ended = [new[-1] == eos for new in ids]
    valid = [is_valid_python(text, ended=end) for text, end in zip(texts, ended, strict=True)]
    assert known["python"] == {
        "distinct": distinct_pairs(ids),
        "repetition": pytest.approx(sum(map(repetition, ids)) / count),
        "valid": pytest.approx(sum(valid) / count),
        "first": texts[0],
    }


def test_half_of_it_can_be_drawn_while_it_runs(job: Job, text: Words) -> None:
    grid, params = Grid(), GridParams.from_dict(SMALL)
    half = grid.so_far(params, job.partials[:10])
    assert len(half["cells"]) == 10 and "prose" not in half["cells"][0]
    shown = grid.show(half, text)
    assert list(shown.figures) == ["valid", "tradeoff"] and not shown.rows
    most = grid.show(grid.so_far(params, job.partials[:30]), text)
    assert list(most.figures) == ["valid", "tradeoff", "repetition", "distinct"] and len(most.rows) == 6
    assert grid.so_far(params, job.partials) == job.result


def test_cells_differ_by_their_settings_only(run: Run, job: Job) -> None:
    result = completed(job)
    assert completed(run("grid", **SMALL)) == result
    assert completed(run("grid", **SMALL, seed=9)) != result
    hot = [cell["python"]["first"] for cell in result["cells"] if cell["temperature"] == 1.2]
    assert len(hot) == 4 and all(first.startswith(PYTHON_PROMPTS[0]) for first in hot)


def cell(temperature: float, top_p: float, base: float) -> Cell:
    python = {"valid": base, "repetition": base + 0.01, "distinct": base + 0.02, "first": "def"}
    prose = {"repetition": base + 0.03, "distinct": base + 0.04, "first": "Once"}
    return {"temperature": temperature, "top_p": top_p, "python": python, "prose": prose}  # type: ignore[typeddict-item]


@pytest.fixture
def known() -> GridResult:
    """Three cells of a grid of four."""
    cells = [cell(0.2, 0.95, 0.9), cell(0.2, 0.9, 0.8), cell(1.2, 0.9, 0.1)]
    return {"cells": cells, "presets": {"code": cells[0], "creative": cells[2]}}


def test_heat_maps_stand_where_their_settings_are(known: GridResult, text: Words) -> None:
    figures = Grid().show(known, text).figures
    expected = {
        "valid": [[0.8, 0.9], [0.1, None]],
        "repetition": [[0.83, 0.93], [0.13, None]],
        "distinct": [[0.84, 0.94], [0.14, None]],
    }
    for name, shares in expected.items():
        heat, words = figures[name].data
        assert (heat["x"], heat["y"]) == (["0.9", "0.95"], ["0.2", "1.2"])
        assert [[share and round(share, 6) for share in row] for row in heat["z"]] == shares
        assert list(zip(words["x"], words["y"], strict=True)) == [
            ("0.9", "0.2"),
            ("0.95", "0.2"),
            ("0.9", "1.2"),
        ]
        assert figures[name].layout["xaxis"]["title"]["text"] == "Top-p"
        assert figures[name].layout["yaxis"]["title"]["text"] == "Temperature"
    assert figures["valid"].data[1]["text"] == ["80%", "90%<br><b>code</b>", "10%<br><b>creative</b>"]


def test_the_tradeoff_is_valid_python_over_its_diversity(known: GridResult, text: Words) -> None:
    figure = Grid().show(known, text).figures["tradeoff"]
    (points,) = figure.data
    assert [round(x, 6) for x in points["x"]] == [0.92, 0.82, 0.12] and points["y"] == [0.9, 0.8, 0.1]
    assert figure.layout["xaxis"]["title"]["text"] == "Distinct-2"
    assert figure.layout["yaxis"]["title"]["text"] == "Python that parses"
    assert points["text"] == ["code", "", "creative"]
    assert points["marker"]["symbol"] == ["diamond", "circle-open", "diamond"]
    assert points["textposition"] == ["bottom center", "top center", "top center"]
    assert points["customdata"] == [[0.2, 0.95], [0.2, 0.9], [1.2, 0.9]]


def test_each_column_and_number_is_what_its_title_says(known: GridResult, text: Words) -> None:
    shown = Grid().show(known, text)
    row = {
        name: value if isinstance(value, str) else round(value, 6) for name, value in shown.rows[0].items()
    }
    assert row == {
        "Temperature": 0.2,
        "Top-p": 0.95,
        "Starting point": "code",
        "Python that parses": 0.9,
        "Python: repeated runs of 4": 0.91,
        "Python: distinct-2": 0.92,
        "Prose: repeated runs of 4": 0.93,
        "Prose: distinct-2": 0.94,
    }
    assert [row["Starting point"] for row in shown.rows] == ["code", "", "creative"]
    assert shown.numbers == {"Python that parses, code": 0.9, "Python that parses, creative": 0.1}
