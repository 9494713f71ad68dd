"""Question 6's experiments with small settings: what each measures, streams, draws and refuses.

Of times only orderings are asserted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from labs.claims.checks import value_at
from labs.contract import jsonable
from labs.contract.registry import LANGUAGES, Registry
from labs.q06_gqa import analytic, measure
from labs.q06_gqa.converting import LENGTH
from labs.q06_gqa.decoding import DecodeStep, read_bandwidth, untrained
from labs.q06_gqa.quality import differences, intervals, window_losses
from labs.runner.inline import InlineClient
from labs.runner.job import Job
from labs.tools import heldout
from labs.tools.interleaved import clock, interleaved, middle
from labs.tools.ranking import UNRESOLVED, verdict
from minimind_core.errors import DataError
from minimind_core.files.checkpoint import load_model
from questions import load_question

REGISTRY = Registry.discover()
SMALL: dict[str, dict[str, Any]] = {
    "decode": {"tokens": 24, "max_batch": 4},
    "cache": {"tokens": 20},
    "wiring": {},
    "layer": {"tokens": 64, "batch": 2},
    "quality": {"windows": 4},
    "convert": {"steps": 2},
}


@pytest.fixture(scope="module")
def jobs() -> dict[str, Job]:
    """Every experiment, run once with little to do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(measure.DECODE_SECONDS, "cpu", 0.2)
        patch.setitem(measure.LAYER_SECONDS, "cpu", 0.1)
        patch.setitem(measure.__dict__, "SCORED_WINDOWS", 4)
        patch.setitem(measure.__dict__, "WINDOW", 64)
        client = InlineClient.start("cpu", registry=REGISTRY)
        return {name: client.submit(f"q06/{name}", params) for name, params in SMALL.items()}


@pytest.fixture(scope="module")
def client() -> InlineClient:
    return InlineClient.start("cpu", registry=REGISTRY)


def result_of(jobs: dict[str, Job], name: str) -> dict[str, Any]:
    job = jobs[name]
    assert job.state == "done", job.error
    assert job.params is not None and job.result is not None
    return REGISTRY.find(f"q06/{name}").complete(job.params, job.result)


# Decoding


def test_the_specimens_share_a_tokenizer() -> None:
    texts = {load_model(name).tokenizer.decode(list(range(300))) for name in measure.SPECIMENS.values()}
    assert len(texts) == 1


def test_decode_measures_three_variants_over_batches(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "decode")
    assert result["batches"] == [1, 4] and not result["capped"]
    for name in analytic.VARIANTS:
        for speed in result["tokens_per_second"][name].values():
            assert 0 < speed["low"] <= speed["median"] <= speed["high"]
    for name in analytic.SHARED:
        for batch, ratio in result["speedup"][name].items():
            spread = result["spread"][name][batch]
            assert spread["low"] <= ratio <= spread["high"]
    assert [piece["batch"] for piece in jobs["decode"].partials] == result["batches"]
    assert result["clock"] == clock("cpu") and result["bandwidth"] > 1e8


def test_decode_carries_the_lesson(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "decode")
    lesson = result["sentence"]
    assert lesson["said"] == 4 and lesson["batch"] == 1
    assert lesson["formula"] == analytic.speedup(2, 24, 1)
    assert lesson["measured"] == result["speedup"]["gqa"]["1"]
    assert value_at(result, "speedup.gqa.1") == lesson["measured"]


def test_a_step_reads_the_cache_that_the_formula_says() -> None:
    models = dict(zip((8, 2, 1), untrained((8, 2, 1), "cpu", torch.float32), strict=True))
    for kv_heads, model in models.items():
        step = DecodeStep(model, 2, 12)
        assert step.cache.nbytes == analytic.cache_bytes(kv_heads, 12, 2, 32)
        step.run()
        assert step.cache.positions.tolist() == [list(range(12))] * 2  # the length stays
        assert step.ids.shape == (2, 1)


def test_interleaving_turns_the_order_and_can_be_cancelled() -> None:
    order: list[str] = []
    ways = {name: (lambda name=name: order.append(name)) for name in "abc"}
    times = interleaved(ways, "cpu", 0.01, lambda _share: None)
    assert len({len(each) for each in times.values()}) == 1 and len(times["a"]) >= 5

    def cancelled(_share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interleaved(ways, "cpu", 10, cancelled)
    assert middle([2.0]) == {"median": 2, "low": 2, "high": 2} and read_bandwidth("cpu") > 0


def test_progress_comes_at_once_and_a_cancel_is_heard() -> None:
    def watch(job: Job) -> None:
        if job.progress > 0.15:
            job.cancel()

    job = InlineClient.start("cpu", registry=REGISTRY, watch=watch).submit("q06/decode", {"tokens": 16})
    assert job.state == "cancelled"


# Bytes


def test_cache_bytes_are_the_formula(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "cache")
    assert result["equal"] and result["bytes"] == 2 * 8 * 2 * 20 * 64 * 2 == result["formula"]["bytes"]
    assert result["per_token"] == 4096 and result["shape"] == [1, 2, 20, 64] and result["tensors"] == 16
    assert result["parameters"] == 25_829_888 and result["model"] == "minimind-26m"
    assert result["view"]["capacity"]["2"] == analytic.capacity(2, 20, 80)


@pytest.mark.parametrize(("kv_heads", "kind", "batch"), [(8, "fp32", 1), (1, "fp16", 3), (4, "bf16", 2)])
def test_every_cache_equals_its_formula(client: InlineClient, kv_heads: int, kind: str, batch: int) -> None:
    job = client.submit("q06/cache", {"kv_heads": kv_heads, "cache_type": kind, "batch": batch, "tokens": 9})
    assert job.result is not None, job.error
    assert job.result["equal"] and not job.result["capped"] and job.result["run_batch"] == batch
    assert job.result["parameters"] == 25_829_888 + (kv_heads - 2) * 524_288


def test_a_capped_run_says_so(client: InlineClient) -> None:
    job = client.submit("q06/cache", {"tokens": 1, "batch": 64})
    assert job.result is not None
    assert job.result["capped"] and job.result["run_batch"] == 32 and job.result["equal"]
    assert job.result["asked"]["bytes"] == 2 * job.result["bytes"]


@pytest.mark.parametrize(
    ("name", "params", "sentence"),
    [
        ("cache", {"cache_type": "int8"}, "8- and 4-bit caches are computed, not run, in this lab."),
        (
            "cache",
            {"kv_heads": 3},
            "8 query heads cannot be split evenly over 3 KV heads. Pick 1, 2, 4 or 8.",
        ),
        ("decode", {"tokens": 40_000}, "The position table ends at 32,768 tokens."),
        ("layer", {"tokens": 0}, "The cache length must be a whole number from 1 to 32,768."),
    ],
)
def test_bad_input_is_one_sentence(
    client: InlineClient, name: str, params: dict[str, Any], sentence: str
) -> None:
    job = client.submit(f"q06/{name}", params)
    assert (job.state, job.error) == ("failed", sentence)


def test_a_cache_that_does_not_fit_is_one_sentence(
    client: InlineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labs.q06_gqa.limits.available_bytes", lambda _device: 10**6)
    for name in ("cache", "layer"):
        job = client.submit(f"q06/{name}")
        assert job.state == "failed" and job.error.startswith("This cache needs"), job.error


# Wiring and one layer


def test_wiring_is_what_the_formula_says(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "wiring")
    assert result["grouped"] == result["native"] == result["formula"]["grouped"] == [0] * 4 + [1] * 4
    assert result["tiled"] == result["formula"]["tiled"] == [0, 1] * 4
    assert result["equal"] and result["difference"] > 0.1 and result["view"]["right"]
    wrong = [head for head, apart in enumerate(result["difference_by_head"]) if apart > 0]
    assert wrong == [1, 3, 4, 6]


def test_one_layer_agrees_and_repetition_asks_for_memory(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "layer")
    assert max(result["differences"].values()) < 1e-5
    assert result["extra_bytes"]["repeat"] > 2 * result["extra_bytes"]["native"]
    assert result["relative"]["mha"]["median"] == 1 and result["slowest"] in measure.OPTIONS
    assert set(measure.OPTIONS) == {choice.id for choice in load_question("q06_gqa").predictions[2].choices}


def test_repetition_is_the_slowest(client: InlineClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(measure.LAYER_SECONDS, "cpu", 0.3)
    job = client.submit("q06/layer", {"tokens": 512})
    assert job.result is not None and job.result["slowest"] == "repeat"
    assert job.result["relative"]["native"]["median"] < 1.2


# Quality and conversion


def test_quality_reads_the_same_text_with_three_models(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "quality")
    for name, loss in result["loss"].items():
        assert result["interval"][name]["low"] <= loss <= result["interval"][name]["high"]
        assert 2 < result["perplexity"][name] < 200
    assert result["verdict"] in (*measure.SPECIMENS, UNRESOLVED) and result["seeds"] == 1
    assert result["windows"] == 4
    assert result["parameters"]["mha"] > result["parameters"]["gqa"] > result["parameters"]["mqa"]


def test_no_verdict_where_intervals_overlap() -> None:
    random = np.random.default_rng(0)
    base = random.normal(3, 0.5, 40)
    close = {"a": base, "b": base + random.normal(0.02, 0.01, 40)}
    assert verdict({n: float(v.mean()) for n, v in close.items()}, intervals(close, 0)) == UNRESOLVED
    far = {"a": base, "b": base + 2}
    assert verdict({n: float(v.mean()) for n, v in far.items()}, intervals(far, 0)) == "a"
    (pair,) = differences(close, 0)
    assert pair["low"] < pair["difference"] < pair["high"] < 0  # a difference on this text is no verdict
    assert intervals(close, 0) == intervals(close, 0) != intervals(close, 1)


def test_held_out_text_and_training_text_are_apart() -> None:
    assert not set(heldout.HELD_OUT_FILES) & set(heldout.TRAINING_FILES)
    assert not set(heldout.held_out("both")) & set(heldout.training())
    tokenizer = load_model("nano-mha").tokenizer
    rows = heldout.windows(tokenizer, heldout.held_out("english"), 6, 32, 0)
    assert rows.shape == (6, 33)
    assert torch.equal(rows, heldout.windows(tokenizer, heldout.held_out("english"), 6, 32, 0))
    assert not torch.equal(rows, heldout.windows(tokenizer, heldout.held_out("english"), 6, 32, 1))
    source = heldout.Stretches(rows, 4)
    assert torch.equal(source.batch(1).inputs[2], rows[0, :-1])  # the text starts again
    with pytest.raises(DataError, match="too short"):
        heldout.windows(tokenizer, ["x"], 1, 32, 0)


def test_a_python_without_sources_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(heldout.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    with pytest.raises(DataError, match="comes without its library's sources"):
        heldout.held_out("code")


def test_window_losses_are_mean_cross_entropies() -> None:
    (model,) = untrained([1], "cpu", torch.float32)
    rows = torch.arange(3 * 5).view(3, 5) + 3
    with torch.inference_mode():
        logits = model(rows[:, :-1])
    expected = -logits.log_softmax(-1).gather(-1, rows[:, 1:, None]).squeeze(-1).mean(1)
    np.testing.assert_allclose(window_losses(model, rows, lambda _: None, batch_size=2), expected, rtol=1e-5)


def test_conversion_hurts_more_the_fewer_heads_and_training_mends(jobs: dict[str, Job]) -> None:
    result = result_of(jobs, "convert")
    before = [result["perplexity"][heads]["before"] for heads in ("8", "4", "2", "1")]
    assert before == sorted(before) and before[1] > 2 * before[0]
    assert [len(curve) for curve in result["curves"].values()] == [2] * 4
    pieces = jobs["convert"].partials
    assert [(piece["kv_heads"], piece["step"]) for piece in pieces] == [
        (heads, step) for heads in (8, 4, 2, 1) for step in (0, 1)
    ]
    for heads in ("4", "2", "1"):
        assert result["perplexity"][heads]["after"] < result["perplexity"][heads]["before"]
    assert result["training_tokens"] == 2 * measure.BATCH_SIZE * LENGTH


# What the page needs


def test_figures_have_roles_and_are_json(jobs: dict[str, Job]) -> None:
    for name in SMALL:
        words = REGISTRY.strings("zh")
        figures = REGISTRY.find(f"q06/{name}").figures(result_of(jobs, name), words.__getitem__)
        assert figures
        for figure in figures.values():
            assert figure.data and all((trace.meta or {}).get("role") for trace in figure.data)
            json.loads(figure.to_json())


def test_the_speedup_figure_needs_no_run() -> None:
    experiment = REGISTRY.find("q06/decode")
    formula = experiment.analytic(experiment.params.from_dict({"tokens": 512}))
    assert experiment.drawn_by_formula and formula is not None
    figures = experiment.figures(formula, REGISTRY.strings("en").__getitem__)
    assert [trace.meta["role"] for trace in figures["speedup"].data] == ["formula", "formula", "said", "peer"]
    assert list(figures) == ["speedup"]


def test_the_cache_figure_needs_no_run() -> None:
    experiment = REGISTRY.find("q06/cache")
    formula = experiment.analytic(experiment.params.from_dict({"cache_type": "int8", "batch": 32}))
    assert formula is not None
    figures = experiment.figures(formula, REGISTRY.strings("en").__getitem__)
    roles = [trace.meta["role"] for trace in figures["bytes"].data]
    assert roles == ["formula", "peer"]
    assert figures["bytes"].data[0].y[2] == 8.388608 * 16


def test_wrong_wiring_is_drawn_apart(jobs: dict[str, Job]) -> None:
    experiment, measured = REGISTRY.find("q06/wiring"), jobs["wiring"].result
    assert measured is not None
    result = experiment.complete(experiment.params.from_dict({"order": "tiled"}), measured)
    assert not result["view"]["right"]
    lines = [t for t in experiment.figures(result, str)["wiring"].data if t.mode == "lines"]
    assert [(t.meta["role"], len(t.x) // 3) for t in lines] == [("measured", 4), ("said", 4)]


def test_what_the_question_measures_is_there(jobs: dict[str, Job]) -> None:
    question = load_question("q06_gqa")
    for entry in (*question.predictions, *question.claims):
        if entry.experiment is None or entry.measures is None:
            continue
        assert entry.experiment in {f"q06/{name}" for name in SMALL}, entry.id
        found = value_at(result_of(jobs, entry.experiment.partition("/")[2]), entry.measures)
        assert found not in (None, "", {}), entry.id


def test_results_fit_the_wire_and_words_are_complete(jobs: dict[str, Job]) -> None:
    catalogues = [REGISTRY.strings(language) for language in LANGUAGES]
    own = [{key for key in words if key.startswith("q06.")} for words in catalogues]
    assert own[0] == own[1]
    for name in SMALL:
        assert len(jsonable.dumps(result_of(jobs, name))) < 100_000
        experiment = REGISTRY.find(f"q06/{name}")
        labels = {spec.label for spec in experiment.params.specs()}
        assert labels | {experiment.title, experiment.title.replace(".title", ".about")} <= own[0]


def test_estimates_grow_with_the_work() -> None:
    decode, convert = REGISTRY.find("q06"), REGISTRY.find("q06/convert")
    for device in ("cpu", "cuda"):
        assert decode.seconds(decode.params(max_batch=16), device) > 0  # type: ignore[arg-type]
        assert convert.seconds(convert.params(steps=100), device) > convert.seconds(  # type: ignore[arg-type]
            convert.params(steps=0), device
        )  # type: ignore[arg-type]
    assert decode.seconds(decode.params(), "cpu") <= 10 and decode.seconds(decode.params(), "cuda") <= 5
