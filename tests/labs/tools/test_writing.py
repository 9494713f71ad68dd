"""Many texts at once: each row as if alone, its likelihood, and progress that can stop a run."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from labs.contract import Experiment
from labs.playground.continuation import Continuation as Playground
from labs.q13_sampling.continuation import Continuation as Written
from labs.q13_sampling.next_token import NextToken
from labs.q13_sampling.wall import Wall
from labs.runner.host import Host
from labs.tools.writing import CHECK_EVERY, ROWS, mean_log_probabilities, prompt_seconds, write
from minimind_core.decoding.generate import generate
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.files.checkpoint import LoadedModel


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return Host("cpu", "fp32").model("random:byte-128")


def nothing(_share: float) -> None:
    """Nobody listens."""


def test_a_row_is_what_it_would_be_alone(loaded: LoadedModel) -> None:
    prompts = [list(range(3, 3 + length)) for length in (4, 9, 2)] * 30
    settings = [SamplingParams(temperature=0.5 + row % 3, top_p=0.9, seed=row) for row in range(len(prompts))]
    written = list(write(loaded, prompts, settings, 8, "cpu", nothing))
    assert len(written) == 90 > ROWS.on("cpu")
    for row in (0, 40, 89):
        alone = generate(loaded.model, [prompts[row]], settings[row], 8, stop_ids=(loaded.config.eos_id,))
        assert written[row] == alone.new_ids[0]


def test_a_long_prompt_fills_a_chunk_of_its_own(loaded: LoadedModel) -> None:
    prompts = [[3] * 5, [4] * 1100, [5] * 5, [6] * 5]
    settings = [SamplingParams(temperature=0, seed=0)] * 4
    began: list[float] = []
    written = list(write(loaded, prompts, settings, 1, "cpu", began.append))
    assert [len(ids) for ids in written] == [1] * 4
    assert sorted(set(began) & {0.0, 0.25, 0.5}) == [0.0, 0.25, 0.5], "three chunks: short, long, two short"
    assert written[1] == generate(loaded.model, [prompts[1]], settings[1], 1).new_ids[0]


def test_the_log_probability_is_that_of_the_model_alone(loaded: LoadedModel) -> None:
    prompts, new = [[3, 4, 5], [6, 7]] * 20, [[8, 9, 10, 11], [12]] * 20
    means = mean_log_probabilities(loaded, prompts, new, "cpu", nothing)
    assert len(means) == 40 > ROWS.on("cpu")
    for prompt, ids, mean in zip(prompts, new, means, strict=True):
        logs = loaded.model(torch.tensor([[*prompt, *ids]])).detach()[0].log_softmax(-1)
        expected = [float(logs[len(prompt) + index - 1, token]) for index, token in enumerate(ids)]
        assert mean == pytest.approx(sum(expected) / len(expected), abs=1e-5)


def test_progress_is_heard_between_the_steps_and_stops_a_run(loaded: LoadedModel) -> None:
    prompts, steps = [[3, 4]] * (2 * ROWS.on("cpu")), 20
    settings = [SamplingParams(seed=row) for row in range(len(prompts))]
    heard: list[float] = []
    for _ in write(loaded, prompts, settings, steps, "cpu", heard.append):
        pass
    assert heard[0] == 0 and heard == sorted(heard) and heard[-1] <= 1
    assert len(heard) >= 2 * steps / CHECK_EVERY.on("cpu") and len(set(heard)) > 8

    class Stopped(Exception):
        """Nobody waits any more."""

    def stop(share: float) -> None:
        if share > 0.2:
            raise Stopped

    with pytest.raises(Stopped):
        list(write(loaded, prompts, settings, steps, "cpu", stop))
    with pytest.raises(Stopped):
        mean_log_probabilities(loaded, prompts, [[5, 6]] * len(prompts), "cpu", stop)


def test_a_long_prompt_is_heard_while_it_is_read_and_scored(loaded: LoadedModel) -> None:
    prompts = [[3] * 2500, [4, 5]]
    heard: list[float] = []
    list(write(loaded, prompts, [SamplingParams(temperature=0, seed=0)] * 2, 1, "cpu", heard.append))
    reads = len(heard)
    mean_log_probabilities(loaded, prompts, [[6], [7]], "cpu", heard.append)
    assert reads > 2 and len(heard) - reads > 2 and max(heard) <= 1


def test_the_estimate_knows_how_long_a_prompt_is() -> None:
    texts = ["", "Hi", "㐀" * 100, "x" * 2000, "㐀" * 2000, "㐀" * 8000]
    for device in ("cpu", "mps", "cuda"):
        seconds = [prompt_seconds(text, device) for text in texts]
        assert seconds == sorted(seconds) and len(set(seconds)) == len(seconds) and seconds[0] > 0
    assert prompt_seconds("Once upon a time", "cpu") < 0.02
    assert prompt_seconds("㐀" * 8000, "cpu") > 60, "as measured: it must not go before short runs"
    assert prompt_seconds("\ud800", "cpu") > 0


@pytest.mark.parametrize("experiment", [Playground(), Written(), NextToken(), Wall()])
def test_every_lab_with_a_prompt_of_ones_own_estimates_its_length(experiment: Experiment[Any, Any]) -> None:
    short, long = ({"prompt": "㐀" * count} for count in (1, 2000))
    estimates = [experiment.seconds(experiment.params.from_dict(given), "cpu") for given in (short, long)]
    assert estimates[1] - estimates[0] > 5
