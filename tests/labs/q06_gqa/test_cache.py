"""Bytes of a cache: what is added up after a prefill is what the formula says, and is drawn beside it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from labs.q06_gqa import claims
from labs.q06_gqa.cache import CacheParams, check_live_type, counted, prefill_rows, prefilled
from labs.q06_gqa.cache_bytes import capacity
from labs.q06_gqa.decoding import random_models
from labs.runner.inline import InlineClient
from minimind_core.errors import ConfigError
from minimind_core.model.kv_cache import StaticCache
from tests.labs.one_lab import REGISTRY, Run, Show


@pytest.fixture(scope="module")
def result(run: Run) -> dict[str, Any]:
    return run("cache", tokens=20)


def test_the_bytes_are_the_formula(result: dict[str, Any], show: Show) -> None:
    assert result["equal"] and result["bytes"] == 2 * 8 * 2 * 20 * 64 * 2 == result["formula"]["bytes"]
    assert result["per_token"] == 4096 == claims.our_cache()["per_token"]
    assert result["view"]["capacity"] == {str(heads): capacity(heads, 20, 80) for heads in (8, 4, 2, 1)}
    sentence = show("cache", result).sentence
    assert sentence == {"said": 0.04096, "formula": 0.08192, "measured": 0.08192, "unit": "MB"}
    assert sentence["measured"] == result["megabytes"]


@pytest.mark.parametrize(("kv_heads", "kind", "batch"), [(8, "fp32", 1), (1, "fp16", 3), (4, "bf16", 2)])
def test_every_cache_equals_its_formula(run: Run, kv_heads: int, kind: str, batch: int) -> None:
    result = run("cache", kv_heads=kv_heads, cache_type=kind, batch=batch, tokens=9)
    assert result["equal"] and not result["capped"] and result["run_batch"] == batch
    size = {"fp32": 4, "fp16": 2, "bf16": 2}[kind]
    assert result["per_token"] == 2 * 8 * kv_heads * 64 * size  # of one row, however many there are
    assert result["bytes"] == result["per_token"] * 9 * batch


def test_a_capped_run_says_so_and_is_not_drawn_as_what_was_asked(run: Run, show: Show) -> None:
    result = run("cache", tokens=1, batch=64)
    assert result["capped"] and result["run_batch"] == 32 and result["equal"]
    assert result["asked"]["bytes"] == 2 * result["bytes"]
    roles = [trace["meta"]["role"] for trace in show("cache", result).figures["bytes"].data]
    assert roles == ["formula", "peer"]


def test_the_measured_cache_stands_on_its_bar(result: dict[str, Any], show: Show) -> None:
    bars, mark, weights = show("cache", result).figures["bytes"].data
    assert [trace["meta"]["role"] for trace in (bars, mark, weights)] == ["formula", "measured", "peer"]
    assert bars["x"] == ["8", "4", "2", "1"] and bars["y"] == pytest.approx(
        [0.32768, 0.16384, 0.08192, 0.04096]
    )
    assert mark["x"] == ["2"] and mark["y"] == [result["megabytes"]] == [bars["y"][2]]
    assert set(weights["y"]) == {51.659776}
    (sequences,) = show("cache", result).figures["capacity"].data
    assert dict(zip(sequences["x"], sequences["y"], strict=True)) == result["view"]["capacity"]


def test_the_figure_needs_no_run(show: Show) -> None:
    experiment, params = REGISTRY.find("q06/cache"), CacheParams(cache_type="int8", batch=32, card_gb=40)
    formula = experiment.formula(params)
    assert experiment.drawn_by_formula and formula is not None
    shown = show("cache", experiment.complete(params, formula))
    assert [trace["meta"]["role"] for trace in shown.figures["bytes"].data] == ["formula", "peer"]
    assert shown.figures["bytes"].data[0]["y"][2] == 8.388608 * 16
    assert shown.figures["capacity"].data[0]["y"][2] == capacity(2, 2048, 40, 8)
    assert shown.sentence is None


def test_the_default_is_the_claim() -> None:
    asked = counted(CacheParams())
    assert asked["bytes"] == claims.our_cache()["bytes"] and asked["megabytes"] == 8.388608
    assert asked["weights_bytes"] == 2 * 25_829_888


def test_a_prefill_leaves_what_the_model_computes_whatever_is_read_at_once() -> None:
    (model,) = random_models([2], "cpu", torch.float32)
    shares: list[float] = []
    whole = prefilled(model, 3, 5, torch.float32, 3, shares.append)
    assert shares == [layer / 8 for layer in range(8)]
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(3, model.config.vocab_size, (3, 5), generator=random)
    wanted = StaticCache(model.config, 3, 5)
    with torch.inference_mode():
        model.model(ids, cache=wanted)
    for ours, theirs in zip((*whole.keys, *whole.values), (*wanted.keys, *wanted.values), strict=True):
        assert torch.equal(ours, theirs) and ours.any()
    narrow = prefilled(model, 3, 5, torch.bfloat16, 2, shares.append)
    assert narrow.keys[0].dtype == torch.bfloat16 and narrow.nbytes * 2 == whole.nbytes
    assert torch.equal(
        narrow.values[7][:2], prefilled(model, 2, 5, torch.bfloat16, 2, shares.append).values[7]
    )
    assert narrow.values[7][2].any() and shares[-1] < 1


def test_what_cannot_be_run_is_one_sentence(client: InlineClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"^8- and 4-bit caches are computed, not run, in this lab\.$"):
        check_live_type("int4")
    job = client.submit("q06/cache", {"cache_type": "int8"})
    assert (job.state, job.error) == ("failed", "8- and 4-bit caches are computed, not run, in this lab.")
    monkeypatch.setattr("labs.q06_gqa.cache_bytes.free_bytes", lambda _device: 10**6)
    for name in ("cache", "layer"):
        job = client.submit(f"q06/{name}")
        assert job.state == "failed" and job.error.startswith("This cache needs"), job.error


def test_a_cpu_reads_fewer_rows() -> None:
    assert prefill_rows(CacheParams(batch=1024), "cpu") == 2
    assert prefill_rows(CacheParams(batch=1024, tokens=1), "cpu") == 32
    assert prefill_rows(CacheParams(batch=1024, tokens=32_768), "cuda") == 1024
    experiment = REGISTRY.find("q06/cache")
    assert experiment.seconds(CacheParams(batch=2), "cpu") > experiment.seconds(CacheParams(), "cpu")
    assert experiment.seconds(CacheParams(batch=1024), "cpu") == experiment.seconds(
        CacheParams(batch=2), "cpu"
    )
