"""Question 13's lab on a small untrained model: agreement with the core, streaming, figures, words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from labs.q13_sampling.analytic import filter_chain
from labs.q13_sampling.figures import SHOWN

from labs.contract import jsonable
from labs.contract.registry import LANGUAGES, Registry
from labs.runner.inline import InlineClient
from labs.runner.job import Job
from minimind_core.decoding.sampling import apply_repetition_penalty, filter_logits

MODEL = "random:byte-128"
REGISTRY = Registry.discover()


@pytest.fixture(scope="module")
def client() -> InlineClient:
    return InlineClient.start("cpu", model=MODEL, registry=REGISTRY)


def done(client: InlineClient, name: str, params: dict[str, Any]) -> Job:
    job = client.submit(f"q13/{name}", params)
    assert job.state == "done", job.error
    return job


def completed(client: InlineClient, params: dict[str, Any]) -> dict[str, Any]:
    job = done(client, "next_token", params)
    assert job.params is not None and job.result is not None
    return REGISTRY.find("q13").complete(job.params, job.result)


def test_logits_are_those_of_the_model(client: InlineClient) -> None:
    result = completed(client, {"prompt": "Hi"})
    loaded = client._host.model(MODEL)
    ids = [loaded.config.bos_id, *loaded.tokenizer.encode("Hi")]
    expected = loaded.model(torch.tensor([ids]))[0, -1]
    assert result["prompt_ids"].tolist() == ids
    np.testing.assert_allclose(result["logits"], expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert result["candidate_ids"][0] == expected.argmax()
    assert result["candidate_texts"][0] == loaded.tokenizer.token_text(int(expected.argmax()))


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.7, "top_p": 0.5},
        {"temperature": 0.0},
        {"temperature": 2.0, "top_k": 7, "top_p": 1.0},
        {"min_p": 0.5, "top_p": 1.0},
        {"repetition_penalty": 1.5, "top_p": 0.3},
    ],
)
def test_the_view_equals_the_core(client: InlineClient, settings: dict[str, Any]) -> None:
    result = completed(client, {"prompt": "Hello", **settings})
    view, logits = result["view"], torch.tensor(result["logits"])
    seen = torch.zeros(len(logits), dtype=torch.bool)
    seen[torch.tensor(result["prompt_ids"], dtype=torch.int64)] = True
    options = {"temperature": 0.8, "top_k": 0, "top_p": 0.9, "min_p": 0.0, **settings}
    penalized = apply_repetition_penalty(logits, seen, options.pop("repetition_penalty", 1.0))
    expected = filter_logits(penalized, **options)
    np.testing.assert_allclose(view["probabilities"], expected.numpy()[view["ids"]], rtol=1e-4, atol=1e-6)
    assert view["kept_count"] == int((expected > 0).sum())
    assert (np.diff(view["before"]) <= 1e-9).all() and (np.diff(view["kept"]) <= 0).all()
    assert view["entropy"] == pytest.approx(float(torch.special.entr(expected).sum()), abs=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"typical_p": 0.4},
        {"order": "top_k,typical_p,top_p,min_p,temperature", "temperature": 2.0},
        {"order": "top_p,temperature,top_k,min_p,typical_p", "top_p": 0.5},
        {"rule": "transformers"},
        {"rule": "strict_shift", "dtype": "float16"},
        {"dtype": "float32", "top_k": 5},
    ],
)
def test_what_the_core_lacks_is_the_chain_of_filters(client: InlineClient, settings: dict[str, Any]) -> None:
    result = completed(client, {"prompt": "Hello", **settings})
    view, asked = result["view"], {"temperature": 0.8, "top_p": 0.9, **settings}
    order = asked.pop("order", "temperature,top_k,top_p,min_p,typical_p").split(",")
    dtype = np.dtype(asked.pop("dtype", "float64"))
    expected = filter_chain(result["logits"], order=order, dtype=dtype, **asked)
    assert view["kept_count"] == expected.count == view["kept"].sum()
    np.testing.assert_allclose(view["probabilities"], expected.probabilities[view["ids"]], rtol=1e-3)


def test_view_settings_do_not_change_what_is_measured(client: InlineClient) -> None:
    experiment = REGISTRY.find("q13")
    keys = {experiment.key(experiment.params.from_dict({"temperature": t})) for t in (0.1, 2)}
    assert len(keys) == 1
    assert experiment.key(experiment.params.from_dict({"prompt": "x"})) not in keys


def test_continuation_streams_and_repeats_with_its_seed(client: InlineClient) -> None:
    params = {"prompt": "今天", "max_new_tokens": 12, "seed": 3, "temperature": 1.5, "top_p": 0.95}
    job, again = (done(client, "continuation", params) for _ in range(2))
    result, other = job.result, done(client, "continuation", {**params, "seed": 4}).result
    assert result is not None and again.result is not None and other is not None
    assert result["ids"].tolist() == again.result["ids"].tolist() != other["ids"].tolist()
    assert result["steps"] == job.partials and len(job.partials) == len(result["ids"]) <= 12
    for step in job.partials:
        assert 0 < step["probability"] <= 1 and 1 <= step["kept"] <= result["vocab_size"]
        assert step["entropy"] >= 0
        assert [a["probability"] for a in step["alternatives"]] == sorted(
            (a["probability"] for a in step["alternatives"]), reverse=True
        )
    assert (
        "".join(step["text"] for step in job.partials)
        == result["text"][: sum(len(step["text"]) for step in job.partials)]
    )
    assert result["tokens_per_second"] > 0 and result["device"] == "cpu"


def test_greedy_takes_the_top_token(client: InlineClient) -> None:
    job = done(client, "continuation", {"prompt": "a", "temperature": 0, "max_new_tokens": 5})
    assert all(step["kept"] == 1 and step["id"] == step["alternatives"][0]["id"] for step in job.partials)
    assert job.result is not None and "greedy" in job.result["notes"][0]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"temperature": -0.1}, "Negative temperature would favour the worst tokens."),
        ({"temperature": 5}, "temperature must be at most 3, not 5."),
        ({"top_p": 0}, "Top-p must be in (0, 1]."),
        ({"top_p": 1.5}, "Top-p must be in (0, 1]."),
        ({"prompt": "x" * 2001}, "prompt has 2,001 characters; the most is 2,000."),
    ],
)
def test_bad_input_is_one_sentence(client: InlineClient, params: dict[str, Any], sentence: str) -> None:
    for name in ("next_token", "continuation"):
        job = client.submit(f"q13/{name}", params)
        assert (job.state, job.error) == ("failed", sentence)


def test_empty_and_long_prompts_work_and_say_so(client: InlineClient) -> None:
    assert completed(client, {"prompt": ""})["empty_prompt"]
    result = completed(client, {"prompt": "long " * 40})
    assert result["beyond_trained_length"] and result["trained_length"] == 128


def test_a_missing_checkpoint_is_one_sentence(client: InlineClient) -> None:
    job = client.submit("q13/next_token", model="no-such-model")
    assert job.state == "failed" and "no-such-model" in job.error and job.error.endswith(".")


def test_figures_and_words(client: InlineClient) -> None:
    result = completed(client, {"prompt": "Hi", "top_p": 0.05})
    words = REGISTRY.strings("en")
    figure = REGISTRY.find("q13").figures(result, words.__getitem__)["candidates"]
    kept, removed, alone, labels = figure.data
    assert [trace.meta["role"] for trace in (kept, removed, alone)] == ["measured", "removed", "peer"]
    assert labels.text[0].strip() == f"{max(*kept.x, *removed.x):.1%}"
    assert len(kept.x) == min(SHOWN, result["view"]["kept_count"])
    assert len(kept.x) + len(removed.x) == len(alone.x) == SHOWN
    assert alone.x[0] == pytest.approx(torch.tensor(result["logits"]).softmax(-1).max().item(), rel=1e-5)
    job = done(client, "continuation", {"prompt": "Hi", "max_new_tokens": 3})
    assert job.result is not None
    figures = REGISTRY.find("q13/continuation").figures(job.result, words.__getitem__)
    assert list(figures) == ["kept", "entropy"] and len(figures["kept"].data[0].y) == len(job.partials)
    json.dumps([json.loads(f.to_json()) for f in (figure, *figures.values())])


def test_both_languages_have_every_word() -> None:
    catalogues = [REGISTRY.strings(language) for language in LANGUAGES]
    assert catalogues[0].keys() == catalogues[1].keys()
    for experiment in REGISTRY:
        labels = {spec.label for spec in experiment.params.specs()}
        assert labels <= catalogues[0].keys()
        assert {experiment.title, experiment.title.replace(".title", ".about")} <= catalogues[0].keys()


def test_results_fit_the_wire(client: InlineClient) -> None:
    longest = REGISTRY.find("q13/continuation").params.specs()[-1].maximum
    result = done(client, "continuation", {"max_new_tokens": 40}).result
    assert len(jsonable.dumps(result)) * longest / 40 < jsonable.MAX_RESULT_BYTES
