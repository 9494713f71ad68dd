"""The next token: the model's own logits, the core's filters, and bars that show what they leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from labs.contract import Words
from labs.q13_sampling.candidates import SHOWN, percent
from labs.q13_sampling.filters import filter_chain
from labs.q13_sampling.next_token import NextToken
from labs.runner.inline import InlineClient
from minimind_core.decoding.sampling import apply_repetition_penalty, filter_logits
from tests.labs.one_lab import Run, completed
from tests.labs.q13_sampling.conftest import MODEL


def test_logits_are_those_of_the_model(client: InlineClient, run: Run) -> None:
    result = completed(run("next_token", prompt="Hi"))
    loaded = client._host.model(MODEL)
    ids = [loaded.config.bos_id, *loaded.tokenizer.encode("Hi")]
    expected = loaded.model(torch.tensor([ids]))[0, -1].detach()
    assert result["prompt_ids"].tolist() == ids
    np.testing.assert_allclose(result["logits"], expected.numpy(), rtol=1e-5, atol=1e-6)
    ranked = expected.argsort(descending=True, stable=True).tolist()[: len(result["candidate_ids"])]
    assert result["candidate_ids"].tolist() == ranked
    assert result["candidate_texts"] == [loaded.tokenizer.token_text(token) for token in ranked]
    assert result["vocab_size"] == len(expected)


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
def test_the_view_equals_the_core(run: Run, settings: dict[str, Any]) -> None:
    result = completed(run("next_token", prompt="Hello", **settings))
    view, logits = result["view"], torch.tensor(result["logits"])
    seen = torch.zeros(len(logits), dtype=torch.bool)
    seen[torch.tensor(result["prompt_ids"], dtype=torch.int64)] = True
    options = {"temperature": 0.8, "top_k": 0, "top_p": 0.9, "min_p": 0.0, **settings}
    penalized = apply_repetition_penalty(logits, seen, options.pop("repetition_penalty", 1.0))
    expected, before = filter_logits(penalized, **options), filter_logits(penalized, options["temperature"])
    np.testing.assert_allclose(view["probabilities"], expected.numpy()[view["ids"]], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(view["before"], before.numpy()[view["ids"]], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(view["alone"], logits.softmax(-1).numpy()[view["ids"]], rtol=1e-4, atol=1e-6)
    assert view["kept_count"] == int((expected > 0).sum())
    assert view["top_probability"] == pytest.approx(float(expected.max()), rel=1e-5)
    assert view["removed_mass"] == pytest.approx(float(before[expected == 0].sum()), abs=1e-5)
    assert (np.diff(view["before"]) <= 1e-9).all() and (np.diff(view["kept"]) <= 0).all()
    entropy = float(torch.special.entr(expected).sum())
    assert view["entropy"] == pytest.approx(entropy, abs=1e-4)
    assert view["effective_size"] == pytest.approx(np.exp(entropy), rel=1e-3)


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
def test_what_the_core_lacks_is_the_chain_of_filters(run: Run, settings: dict[str, Any]) -> None:
    result = completed(run("next_token", prompt="Hello", **settings))
    view, asked = result["view"], {"temperature": 0.8, "top_p": 0.9, **settings}
    order = asked.pop("order", "temperature,top_k,top_p,min_p,typical_p").split(",")
    dtype = np.dtype(asked.pop("dtype", "float64"))
    expected = filter_chain(result["logits"], order=order, dtype=dtype, **asked)
    assert view["kept_count"] == expected.kept.sum() == view["kept"].sum()
    np.testing.assert_allclose(view["probabilities"], expected.probabilities[view["ids"]], rtol=1e-3)


def test_only_the_prompt_needs_the_model() -> None:
    experiment = NextToken()
    keys = {experiment.key(experiment.params.from_dict({"temperature": t, "top_k": 3})) for t in (0.1, 2)}
    assert len(keys) == 1 and experiment.key(experiment.params.from_dict({"prompt": "x"})) not in keys


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"temperature": -0.1}, "Negative temperature would favour the worst tokens."),
        ({"temperature": 5}, "temperature must be at most 3, not 5."),
        ({"top_p": 0}, "Top-p must be in (0, 1]."),
        ({"top_p": 1.5}, "Top-p must be in (0, 1]."),
        ({"min_p": -1}, "Min-p must be in [0, 1]; 0 keeps all tokens."),
        ({"prompt": "x" * 2001}, "prompt has 2,001 characters; the most is 2,000."),
    ],
)
def test_bad_input_is_one_sentence(client: InlineClient, params: dict[str, Any], sentence: str) -> None:
    for name in ("next_token", "continuation"):
        job = client.submit(f"q13/{name}", params)
        assert (job.state, job.error) == ("failed", sentence)


def test_empty_and_long_prompts_work_and_say_so(run: Run) -> None:
    assert completed(run("next_token", prompt=""))["empty_prompt"]
    result = completed(run("next_token", prompt="long " * 40))
    assert result["beyond_trained_length"] and result["trained_length"] == 128 and not result["empty_prompt"]
    assert not completed(run("next_token", prompt="short"))["beyond_trained_length"]


def test_a_missing_checkpoint_is_one_sentence(client: InlineClient) -> None:
    job = client.submit("q13/next_token", model="no-such-model")
    assert job.state == "failed" and "no-such-model" in job.error and job.error.endswith(".")


def test_bars_show_what_is_kept_and_what_the_model_alone_gives(run: Run, text: Words) -> None:
    result = completed(run("next_token", prompt="Hi", top_p=0.05))
    view = result["view"]
    alone, kept, removed, labels, column = NextToken().show(result, text).figures["candidates"].data
    assert [trace["meta"]["role"] for trace in (kept, removed, alone)] == ["measured", "removed", "peer"]
    count = view["kept_count"]
    assert 0 < count < SHOWN
    assert kept["y"] == list(range(count)) and removed["y"] == list(range(count, SHOWN))
    assert kept["x"] == view["probabilities"][:count].tolist()
    assert removed["x"] == view["before"][count:SHOWN].tolist()
    assert alone["x"] == view["alone"][:SHOWN].tolist() and alone["y"] == list(range(SHOWN))
    assert column["text"] == [text("alone"), *map(percent, alone["x"])]
    assert labels["text"] == [f" {percent(length)} " for length in kept["x"] + removed["x"]]
    shares = [share for _, share in kept["customdata"] + removed["customdata"]]
    assert shares == [percent(share) for share in view["before"][:SHOWN].cumsum()]


def test_a_share_is_never_a_zero_that_is_none() -> None:
    assert [percent(share) for share in (0.1234, 0.0005, 0.00049, 2e-9)] == [
        "12.3%",
        "0.1%",
        "<0.1%",
        "<0.1%",
    ]
