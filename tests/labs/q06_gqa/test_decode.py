"""Decode speed: what is measured, how it is drawn beside the byte model, and how far it goes on a device."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from labs.claims.checks import value_at
from labs.contract.machine import Machine
from labs.machine.probes import FullCacheStep
from labs.q06_gqa import decode
from labs.q06_gqa.cache_bytes import SHARED, SYMBOLS, VARIANTS, cache_bytes, speedup
from labs.q06_gqa.decode import Decode, DecodeParams, batches_that_fit
from labs.q06_gqa.decoding import random_models, read_bandwidth
from labs.runner.inline import InlineClient
from labs.runner.job import Job
from labs.tools.budgets import PerDevice
from minimind_core.errors import ConfigError
from tests.labs.one_lab import REGISTRY, Run, Show


@pytest.fixture(scope="module")
def result(run: Run) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "SECONDS", PerDevice(cpu=0.2, cuda=0.2))
        return run("decode", tokens=24, max_batch=4)


def test_three_variants_are_measured_over_batches(result: dict[str, Any]) -> None:
    assert result["batches"] == [1, 4] and result["tokens"] == 24
    assert list(result["tokens_per_second"]) == list(VARIANTS) and list(result["speedup"]) == list(SHARED)
    for speeds in result["tokens_per_second"].values():
        assert list(speeds) == ["1", "4"]
        assert all(0 < speed["low"] <= speed["median"] <= speed["high"] for speed in speeds.values())
    for name in SHARED:
        assert list(result["speedup"][name]) == ["1", "4"]
        for batch, ratio in result["speedup"][name].items():
            assert result["spread"][name][batch]["low"] <= ratio <= result["spread"][name][batch]["high"]


def test_a_ratio_is_the_time_of_mha_over_that_of_the_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    """With given times every number of the result is known."""
    seconds = {"mha": [0.4, 0.4, 0.8], "gqa": [0.2, 0.1, 0.4], "mqa": [0.1, 0.1, 0.1]}
    monkeypatch.setattr(decode, "_step_times", lambda *_: seconds)
    job = InlineClient.start("cpu", registry=REGISTRY).submit("q06/decode", {"tokens": 8, "max_batch": 4})
    assert job.result is not None, job.error
    assert job.result["speedup"] == {"gqa": {"1": 2, "4": 2}, "mqa": {"1": 4, "4": 4}}
    assert job.result["spread"]["gqa"]["4"] == {"low": 2, "high": 3}
    assert job.result["spread"]["mqa"]["1"] == {"low": 4, "high": 6}
    assert job.result["tokens_per_second"]["mqa"]["4"] == pytest.approx({"median": 40, "low": 40, "high": 40})
    assert job.result["tokens_per_second"]["mha"]["1"]["median"] == pytest.approx(2.5)


def test_the_sentence_is_the_lesson(result: dict[str, Any], show: Show) -> None:
    sentence = show("decode", result).sentence
    assert sentence is not None and sentence["said"] == 4 and sentence["unit"] == "×"
    assert sentence["formula"] == speedup(2, 24, 1)
    assert sentence["measured"] == value_at(result, "speedup.gqa.1")
    assert {"low": sentence["low"], "high": sentence["high"]} == result["spread"]["gqa"]["1"]


def test_each_variant_is_drawn_with_its_own_numbers(result: dict[str, Any], show: Show) -> None:
    figures = show("decode", result).figures
    traces = [trace for trace in figures["speedup"].data if trace["meta"]["role"] == "measured"]
    assert [trace["marker"]["symbol"] for trace in traces] == [SYMBOLS[name] for name in SHARED]
    for name, trace in zip(SHARED, traces, strict=True):
        assert trace["x"] == [1, 4] and trace["y"] == list(result["speedup"][name].values())
        assert ends(trace) == [(span["low"], span["high"]) for span in result["spread"][name].values()]
    curves = [trace for trace in figures["speedup"].data if trace["meta"]["role"] == "formula"]
    for name, trace in zip(SHARED, curves, strict=True):
        assert trace["y"] == list(result["byte_model"]["speedup"][name].values())
    traces = [trace for trace in figures["rate"].data if trace["meta"]["role"] == "measured"]
    for name, trace in zip(VARIANTS, traces, strict=True):
        speeds = result["tokens_per_second"][name].values()
        assert trace["y"] == [speed["median"] for speed in speeds]
        assert ends(trace) == [(speed["low"], speed["high"]) for speed in speeds]


def ends(trace: dict[str, Any]) -> list[Any]:
    """Where the error bars of a trace begin and end, at heights rounded as floats need it."""
    bars = zip(trace["y"], trace["error_y"]["arrayminus"], trace["error_y"]["array"], strict=True)
    return [(pytest.approx(y - down), pytest.approx(y + up)) for y, down, up in bars]


def test_the_speedup_figure_needs_no_run(show: Show) -> None:
    experiment = REGISTRY.find("q06/decode")
    formula = experiment.formula(DecodeParams(tokens=512))
    assert experiment.drawn_by_formula and formula is not None
    shown = show("decode", formula)
    roles = [trace["meta"]["role"] for trace in shown.figures["speedup"].data]
    assert roles == ["formula", "formula", "said", "peer"]
    assert list(shown.figures) == ["speedup"] and shown.sentence is None
    assert shown.figures["speedup"].data[0]["y"][0] == speedup(2, 512, 1)


def test_a_step_reads_the_cache_that_the_formula_says() -> None:
    models = dict(zip((8, 2, 1), random_models((8, 2, 1), "cpu", torch.float32), strict=True))
    for kv_heads, model in models.items():
        step = FullCacheStep(model, 2, 12, "graph")
        assert step.cache.nbytes == cache_bytes(kv_heads, 12, 2, 32)
        step.run()
        assert step.cache.positions.tolist() == [list(range(12))] * 2  # the length stays
        assert step.ids.shape == (2, 1)


def test_untrained_variants_share_their_weights_and_count_as_the_formula_says() -> None:
    models = random_models((8, 4, 2, 1), "cpu", torch.float32)
    assert len({model.model.embed_tokens.weight.data_ptr() for model in models}) == 1
    for kv_heads, model in zip((8, 4, 2, 1), models, strict=True):
        counted = sum(parameter.numel() for parameter in model.parameters())
        assert counted == 25_829_888 + (kv_heads - 2) * 524_288
        assert model.config.num_kv_heads == kv_heads
    ids = torch.tensor([[1, 2, 3]])
    assert torch.isfinite(models[2](ids)).all()


def test_memory_is_read_at_some_speed() -> None:
    assert read_bandwidth("cpu") > 1e8


def test_a_cancel_is_heard_while_steps_are_timed() -> None:
    def watch(job: Job) -> None:
        if job.progress > 0.15:
            job.cancel()

    job = InlineClient.start("cpu", registry=REGISTRY, watch=watch).submit("q06/decode", {"tokens": 16})
    assert job.state == "cancelled" and job.progress < 0.9


def test_batches_go_as_far_as_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert batches_that_fit(1024, 16, "cpu", 32) == [1, 4, 16, 32]
    assert batches_that_fit(0, 16, "cpu", 32) == [1, 4]
    for place in ("cache_bytes", "decode"):
        monkeypatch.setattr(f"labs.q06_gqa.{place}.free_bytes", lambda _device: 16 * 10**9)
    with pytest.raises(ConfigError, match="This cache needs"):
        batches_that_fit(1024, 2048, "cuda", 16)
    assert batches_that_fit(0, 2048, "cuda", 16)[-1] == 128
    monkeypatch.setattr("labs.q06_gqa.decode.free_bytes", lambda _device: 0)
    assert batches_that_fit(0, 32_768, "cuda", 16) == [1]


def test_estimates_grow_with_the_batch_and_fit_the_page() -> None:
    experiment = REGISTRY.find("q06")
    assert experiment.id == "q06/decode"
    assert experiment.seconds(DecodeParams(max_batch=16), "cpu") > experiment.seconds(DecodeParams(), "cpu")
    assert experiment.seconds(DecodeParams(max_batch=1024), "cuda") > experiment.seconds(
        DecodeParams(), "cuda"
    )
    assert experiment.seconds(DecodeParams(), "cpu") <= 10 and experiment.seconds(DecodeParams(), "cuda") <= 5


def test_a_known_machine_gets_its_floors() -> None:
    """The bytes of weights and cache over the bandwidth, in the machine's own number format."""
    machine = Machine("a machine", bandwidth=1e11, rate=1e13, launch=1e-6, bytes_per_number=4)
    said: dict[str, float] = {}

    def words(key: str, **values: float) -> str:
        said.update(values)
        return key

    assert Decode().on_machine(DecodeParams(tokens=1024), machine, words) == "decode.floor"
    weights, cache = 25_829_888 * 4, 2 * 8 * 2 * 64 * 1024 * 4
    assert said["gqa"] == pytest.approx((weights + cache) / 1e11 * 1e3)
    assert said["knee"] == 200
