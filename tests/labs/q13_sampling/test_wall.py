"""Many texts: each with its own seed, measured one by one and together."""

from __future__ import annotations

import pytest

from labs.contract import Words
from labs.q13_sampling.texts import distinct_pairs, repetition
from labs.q13_sampling.wall import Wall, WallParams, WallResult
from labs.runner.inline import InlineClient
from labs.tools.sampler import settings
from labs.tools.writing import mean_log_probabilities, prompt_seconds, write
from tests.labs.one_lab import Run, completed
from tests.labs.q13_sampling.conftest import MODEL

SETTINGS = {"prompt": "Hi", "samples": 5, "max_new_tokens": 6, "seed": 3}


def test_each_text_is_measured_and_all_together(client: InlineClient, run: Run) -> None:
    loaded = client._host.model(MODEL)
    prompts = [loaded.prompt_ids("Hi")] * 5
    requests = [settings(WallParams(), 3 + row) for row in range(5)]
    ids = list(write(loaded, prompts, requests, 6, "cpu", lambda _share: None))
    likely = mean_log_probabilities(loaded, prompts, ids, "cpu", lambda _share: None)
    job = run("wall", **SETTINGS)
    result = completed(job)
    for sample, new, mean in zip(result["samples"], ids, likely, strict=True):
        assert sample == {
            "text": loaded.tokenizer.decode(new).rstrip("\N{REPLACEMENT CHARACTER}"),
            "distinct": distinct_pairs([new]),
            "repetition": repetition(new),
            "log_probability": pytest.approx(mean),
        }
    assert result["distinct"] == distinct_pairs(ids)
    assert result["repetition"] == pytest.approx(sum(map(repetition, ids)) / 5)
    assert result["log_probability"] == pytest.approx(sum(likely) / 5)
    assert [partial["text"] for partial in job.partials] == [sample["text"] for sample in result["samples"]]


def test_seeds_alone_set_the_texts_apart(run: Run) -> None:
    result = completed(run("wall", **SETTINGS))
    assert completed(run("wall", **SETTINGS)) == result
    assert len({sample["text"] for sample in result["samples"]}) == 5
    greedy = completed(run("wall", **SETTINGS, temperature=0))
    assert len({sample["text"] for sample in greedy["samples"]}) == 1
    assert greedy["distinct"] == pytest.approx(greedy["samples"][0]["distinct"] / 5)


def test_what_cannot_be_written_is_one_sentence(client: InlineClient) -> None:
    job = client.submit("q13/wall", {"samples": 0})
    assert (job.state, job.error) == ("failed", "samples must be at least 1, not 0.")
    job = client.submit("q13/wall", {"max_new_tokens": 400, "prompt": "x" * 2000}, model="nano-learned")
    assert job.state == "failed" and "512 learned positions" in job.error and job.error.endswith(".")


def test_figure_table_and_numbers_say_which_is_which(text: Words) -> None:
    result: WallResult = {
        "samples": [
            {"text": "<b> c", "distinct": 0.5, "repetition": 0.25, "log_probability": -2.0},
            {"text": "d", "distinct": 1.0, "repetition": 0.0, "log_probability": -1.0},
        ],
        "distinct": 0.6,
        "repetition": 0.125,
        "log_probability": -1.5,
    }
    shown = Wall().show(result, text)
    points, layout = shown.figures["likely"].data[0], shown.figures["likely"].layout
    assert (points["x"], points["y"]) == ([0.5, 1.0], [-2.0, -1.0])
    assert layout["xaxis"]["title"]["text"] == "Distinct-2"
    assert layout["yaxis"]["title"]["text"] == "Mean log-probability (nats)"
    assert points["text"] == ["&lt;b&gt; c", "d"], "what a model wrote is no HTML"
    assert shown.rows[0] == {
        "Text": "<b>␣c",
        "Distinct-2": 0.5,
        "Repeated runs of 4": 0.25,
        "Mean log-probability (nats)": -2.0,
    }
    assert shown.numbers == {
        "Distinct-2": 0.6,
        "Repeated runs of 4": 0.125,
        "Mean log-probability (nats)": -1.5,
    }


@pytest.mark.parametrize(("device", "samples", "seconds"), [("cpu", 33, 9.48), ("cuda", 33, 1.0)])
def test_the_estimate_counts_chunks(device: str, samples: int, seconds: float) -> None:
    params = WallParams(samples=samples)
    reading = 2 * samples * prompt_seconds(params.prompt, device)
    assert Wall().seconds(params, device) == pytest.approx(seconds + reading)  # type: ignore[arg-type]
