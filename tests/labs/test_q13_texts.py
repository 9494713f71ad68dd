"""Many texts at once: each row as if alone, what is said of texts, the grid, a cancel that is heard."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
import torch
from labs.q13_sampling.params import GridParams
from labs.q13_sampling.presets import presets
from labs.q13_sampling.writing import mean_log_probabilities, write

from labs.contract import jsonable
from labs.contract.registry import LANGUAGES, Registry
from labs.q13_sampling import grids, texts
from labs.runner.inline import InlineClient
from labs.runner.job import Job
from minimind_core.decoding.generate import generate
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.files.checkpoint import LoadedModel

MODEL = "random:byte-128"
REGISTRY = Registry.discover()
SMALL = {"size": "small", "samples": 4, "max_new_tokens": 16}


@pytest.fixture(scope="module")
def client() -> InlineClient:
    return InlineClient.start("cpu", model=MODEL, registry=REGISTRY)


@pytest.fixture(scope="module")
def loaded(client: InlineClient) -> LoadedModel:
    return client._host.model(MODEL)


@pytest.fixture(scope="module")
def grid(client: InlineClient) -> Job:
    job = client.submit("q13/grid", SMALL)
    assert job.state == "done", job.error
    return job


def nothing(_fraction: float) -> None:
    """Nobody listens."""


@pytest.mark.parametrize(
    ("text", "ended", "valid"),
    [
        ("def f(x):\n    return x\n", True, True),
        ("def f(x):\n    return x\n    y = (1,", False, True),
        ("def f(x):\n    return x\n    y = 1 2\n    z", False, False),
        ("def f(x):\n    y = (x,\n         2,\n", False, True),
        ("def f(x):\n    y = (x,\n         2,\n", True, False),
        ("def f(x):\n", False, True),
        ("def f(x):\n", True, False),
        ("if x:\n    pass\n  else:\n    pass\n", False, False),
        ('def f():\n    """cut', False, True),
        ("print 'x'\n", False, False),
        ("x = '\0'\n", True, False),
        ("(" * 3000 + "\n", True, False),
    ],
)
def test_python_is_parsed_and_a_cut_is_no_error(text: str, ended: bool, valid: bool) -> None:
    assert texts.is_valid_python(text, ended=ended) is valid


def test_nothing_that_was_written_is_executed(tmp_path: Any) -> None:
    target = tmp_path / "written"
    assert texts.is_valid_python(f"open({str(target)!r}, 'w')\n", ended=True)
    assert not target.exists()


def test_diversity_and_repetition_count_what_they_say() -> None:
    assert texts.distinct_pairs([[1, 2, 3], [1, 2, 3]]) == 0.5
    assert texts.distinct_pairs([[1]]) == 1 and texts.repetition([1, 2, 3]) == 0
    assert texts.repetition([7] * 20) == pytest.approx(16 / 17)
    assert texts.repetition(list(range(20))) == 0


def test_every_prompt_of_the_grid_begins_valid_python() -> None:
    assert all(texts.is_valid_python(prompt, ended=False) for prompt in texts.PYTHON_PROMPTS)


def test_a_row_is_what_it_would_be_alone(loaded: LoadedModel) -> None:
    prompts = [list(range(3, 3 + length)) for length in (4, 9, 2)] * 30
    settings = [SamplingParams(temperature=0.5 + row % 3, top_p=0.9, seed=row) for row in range(len(prompts))]
    written = dict(write(loaded, prompts, settings, 8, "cpu", nothing))
    assert list(written) == list(range(90))
    for row in (0, 40, 89):
        alone = generate(loaded.model, [prompts[row]], settings[row], 8, stop_ids=(loaded.config.eos_id,))
        assert written[row] == alone.new_ids[0]


def test_the_log_probability_is_that_of_the_model_alone(loaded: LoadedModel) -> None:
    prompts, new = [[3, 4, 5], [6, 7]], [[8, 9, 10, 11], [12]]
    means = mean_log_probabilities(loaded, prompts, new, "cpu", nothing)
    for prompt, ids, mean in zip(prompts, new, means, strict=True):
        logs = loaded.model(torch.tensor([[*prompt, *ids]])).detach()[0].log_softmax(-1)
        expected = [float(logs[len(prompt) + place - 1, token]) for place, token in enumerate(ids)]
        assert mean == pytest.approx(sum(expected) / len(expected), abs=1e-5)


def test_the_wall_tells_each_text(client: InlineClient) -> None:
    settings = {"prompt": "Hi", "samples": 5, "max_new_tokens": 6, "seed": 3}
    job = client.submit("q13/wall", settings)
    assert job.result is not None, job.error
    samples = job.result["samples"]
    assert len(samples) == len(job.partials) == 5 and len({sample["text"] for sample in samples}) == 5
    assert all(sample["log_probability"] < 0 for sample in samples)
    again = client.submit("q13/wall", settings).result
    assert again is not None and again["samples"] == samples
    greedy = client.submit("q13/wall", {**settings, "temperature": 0}).result
    assert greedy is not None and len({sample["text"] for sample in greedy["samples"]}) == 1
    assert greedy["distinct"] <= 1 / 5 + 1e-9


@pytest.mark.parametrize("size", ["small", "full"])
def test_every_starting_point_is_a_cell(size: str) -> None:
    cells = grids.cells(GridParams(size=size), "cpu")
    assert set(presets().values()) <= set(cells) and len(cells) == len(set(cells))
    assert presets()["code"] == (0.2, 0.95) and len(presets()) == 5


def test_the_grid_fills_cell_by_cell(grid: Job) -> None:
    result, experiment = grid.result, REGISTRY.find("q13/grid")
    assert result is not None and grid.params is not None
    assert len(result["cells"]) == 24 and len(grid.partials) == 48
    for cell in result["cells"]:
        assert set(cell["python"]) == {"valid", "repetition", "distinct", "first"}
        assert all(
            0 <= cell[kind][name] <= 1 for kind in ("python", "prose") for name in ("repetition", "distinct")
        )
    assert set(result["presets"]) == set(presets())
    half = experiment.live(grid.params, grid.partials[:10])
    assert half is not None and len(half["cells"]) == 10 and "prose" not in half["cells"][0]
    words = REGISTRY.strings("en").__getitem__
    assert list(experiment.figures(half, words)) == ["valid", "tradeoff"]
    assert list(experiment.figures(result, words)) == ["valid", "tradeoff", "repetition", "distinct"]
    assert experiment.live(grid.params, []) is None


def test_cells_differ_by_their_settings_only(client: InlineClient, grid: Job) -> None:
    assert grid.result is not None
    again = client.submit("q13/grid", SMALL).result
    assert again is not None and again["cells"] == grid.result["cells"]
    firsts = {
        cell["top_p"]: cell["python"]["first"] for cell in grid.result["cells"] if cell["temperature"] == 1.2
    }
    assert all(first.startswith(texts.PYTHON_PROMPTS[0]) for first in firsts.values())


def test_confidence_follows_training() -> None:
    result = InlineClient.start("cpu", registry=REGISTRY).submit("q13/confidence").result
    assert result is not None
    models = result["models"]
    assert models["nano-rope"]["mean_kept"] < 0.6 * models["nano-rope-early"]["mean_kept"]
    assert models["nano-rope"]["mean_entropy"] < models["nano-rope-early"]["mean_entropy"]
    assert all(len(model["kept"]) == len(model["tokens"]) for model in models.values())
    figures_and_tables("q13/confidence", result)


def test_figures_tables_and_numbers_have_words(client: InlineClient, grid: Job) -> None:
    assert grid.result is not None
    figures_and_tables("q13/grid", grid.result)
    for name, settings in (("wall", {"samples": 3, "max_new_tokens": 4}), ("bugs", {}), ("manual", {})):
        job = client.submit(f"q13/{name}", settings)
        assert job.result is not None and job.params is not None, job.error
        figures_and_tables(f"q13/{name}", REGISTRY.find(f"q13/{name}").complete(job.params, job.result))


def figures_and_tables(name: str, result: dict[str, Any]) -> None:
    experiment, result = REGISTRY.find(name), jsonable.loads(jsonable.dumps(result))
    for language in LANGUAGES:
        words = REGISTRY.strings(language).__getitem__
        for figure in experiment.figures(result, words).values():
            json.loads(figure.to_json())
        rows = experiment.table(result, words)
        assert rows and all(row.keys() == rows[0].keys() for row in rows)
        assert all(math.isfinite(number) for number in experiment.numbers(result, words).values())


@pytest.mark.parametrize("name", ["grid", "wall"])
def test_a_cancel_is_heard_soon(name: str) -> None:
    asked = 0.0

    def cancel_once(job: Job) -> None:
        nonlocal asked
        if job.progress > 0.005 and not asked:
            asked = time.monotonic()
            job.cancel()

    client = InlineClient.start("cpu", registry=REGISTRY, watch=cancel_once)
    job = client.submit(f"q13/{name}", {"samples": 200} if name == "wall" else {})
    assert job.state == "cancelled" and time.monotonic() - asked < 2


def test_prompts_that_cannot_be_continued_are_one_sentence(client: InlineClient) -> None:
    job = client.submit("q13/wall", {"samples": 0})
    assert job.state == "failed" and job.error == "samples must be at least 1, not 0."
