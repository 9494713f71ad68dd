"""A continuation: streamed, the same for the same seed, and the core's own choice at every step."""

from __future__ import annotations

from labs.contract import Words
from labs.q13_sampling.continuation import Continuation
from labs.runner.inline import InlineClient
from minimind_core.decoding.generate import generate
from minimind_core.decoding.sampling_params import SamplingParams
from tests.labs.one_lab import Run, completed
from tests.labs.q13_sampling.conftest import MODEL


def test_it_streams_and_repeats_with_its_seed(run: Run) -> None:
    params = {"prompt": "今天", "max_new_tokens": 12, "temperature": 1.5, "top_p": 0.95}
    job, again, other = (run("continuation", **params, seed=seed) for seed in (3, 3, 4))
    result = completed(job)
    assert result == completed(again) != completed(other)
    assert result["steps"] == job.partials and len(job.partials) == 12
    written = "".join(step["text"] for step in job.partials)
    assert written and written == result["text"][: len(written)]
    for step in job.partials:
        assert 1 <= step["kept"] <= 128 * 2 and step["entropy"] >= 0


def test_it_writes_what_the_core_generates(client: InlineClient, run: Run) -> None:
    loaded = client._host.model(MODEL)
    asked = {"temperature": 1.2, "top_k": 9, "top_p": 0.8, "min_p": 0.05, "repetition_penalty": 1.3}
    params = SamplingParams(**asked, seed=5)  # type: ignore[arg-type]
    expected = generate(loaded.model, [loaded.prompt_ids("Hi")], params, 20, stop_ids=(loaded.config.eos_id,))
    result = completed(run("continuation", prompt="Hi", seed=5, max_new_tokens=20, **asked))
    assert result["text"] == loaded.tokenizer.decode(expected.new_ids[0])
    assert all(step["kept"] <= 9 for step in result["steps"])


def test_greedy_leaves_one_token_and_no_doubt(run: Run) -> None:
    steps = completed(run("continuation", prompt="a", temperature=0, max_new_tokens=5))["steps"]
    assert [(step["kept"], step["entropy"]) for step in steps] == [(1, 0.0)] * 5


def test_its_figures_are_kept_and_entropy_by_step(text: Words) -> None:
    steps = [
        {"token": "a b", "text": "a b", "kept": 9, "entropy": 1.5},
        {"token": "\n", "text": "", "kept": 2, "entropy": 0.5},
    ]
    figures = Continuation().show({"text": "a b", "steps": steps}, text).figures  # type: ignore[typeddict-item]
    drawn = {name: (figure.data[0]["x"], figure.data[0]["y"]) for name, figure in figures.items()}
    assert drawn == {"kept": ([1, 2], [9, 2]), "entropy": ([1, 2], [1.5, 0.5])}
    assert figures["kept"].layout["yaxis"] == {"type": "log", "title": {"text": "Tokens kept"}}
    assert figures["entropy"].layout["yaxis"]["title"] == {"text": "Entropy (nats)"}
    assert figures["kept"].data[0]["customdata"] == ["a␣b", "⏎"]
