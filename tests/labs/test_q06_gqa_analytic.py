"""The formula side of Question 6 and its parameters: bytes exactly, the byte model, bad input."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from labs.contract.fields import ParamError
from labs.q06_gqa import analytic, claims
from labs.q06_gqa.limits import (
    CPU_TOKENS,
    cached_tokens,
    check_cache,
    check_live_type,
    decode_batches,
    prefill_rows,
)
from labs.q06_gqa.params import BITS, CacheParams, DecodeParams, LayerParams, WiringParams
from labs.q06_gqa.published import changes
from minimind_core.errors import ConfigError
from minimind_core.model.cost import num_parameters
from minimind_core.model.kv_cache import StaticCache
from questions import load_question

UNEVEN = "8 query heads cannot be split evenly over {} KV heads. Pick 1, 2, 4 or 8."


@pytest.mark.parametrize("kv_heads", [1, 2, 4, 8])
@pytest.mark.parametrize("tokens", [1, 512, 2048, 8192, 32_768])
@pytest.mark.parametrize("batch", [1, 32])
@pytest.mark.parametrize("kind", BITS)
def test_bytes_are_exact(kv_heads: int, tokens: int, batch: int, kind: str) -> None:
    bits = BITS[kind]
    expected = 2 * 8 * kv_heads * 64 * tokens * batch * bits // 8
    assert analytic.cache_bytes(kv_heads, tokens, batch, bits) == expected
    assert analytic.cache_bytes(8, tokens, batch, bits) == expected * 8 // kv_heads


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_bytes_are_those_of_the_tensors(dtype: torch.dtype) -> None:
    for kv_heads in (1, 2, 4, 8):
        held = StaticCache(analytic.shape(kv_heads), 3, 17, dtype=dtype)
        assert held.nbytes == analytic.cache_bytes(kv_heads, 17, 3, 8 * dtype.itemsize)


def test_parameters_by_heads() -> None:
    for kv_heads in (1, 2, 4, 8):
        assert num_parameters(analytic.shape(kv_heads)) == 25_829_888 + (kv_heads - 2) * 524_288


def test_agrees_with_the_independent_claims() -> None:
    result = analytic.cache(CacheParams())
    assert result["bytes"] == claims.our_cache()["bytes"] and result["megabytes"] == 8.388608
    assert result["mebibytes"] == 8 and result["per_token"] == 4096 and result["saved"] == 0.75
    names = {"mha": "8", "gqa": "2", "mqa": "1"}
    assert {name: result["capacity"][heads] for name, heads in names.items()} == claims.capacity()
    assert {f"kv_{heads}": count for heads, count in result["parameters"].items()} == {
        f"kv_{heads}": claims.parameters(heads) for heads in (8, 4, 2, 1)
    }
    assert result["latent"]["elements"] == claims.latent_attention()["scaled"] == 288
    assert result["latent"]["bytes"] > result["bytes"]
    assert result["gigaflops"]["prefill"] == pytest.approx(claims.operations()["prefill_gqa"])
    assert result["gigaflops"]["scores"] == pytest.approx(claims.operations()["scores"])
    assert analytic.latent_elements(512, 64) == claims.latent_attention()["deepseek"]
    model = analytic.decode(DecodeParams())
    assert model["break_even"] == pytest.approx({n: claims.break_even()[n] for n in ("mha", "gqa", "mqa")})
    assert analytic.layer(LayerParams())["traffic"]["repeat"] == claims.repeated_traffic() == 2.25
    assert analytic.wiring(WiringParams()) == claims.wiring()


def test_the_byte_model_rises_from_little_to_the_limit() -> None:
    model = analytic.decode(DecodeParams())
    for name in analytic.SHARED:
        values = list(model["speedup"][name].values())
        assert values == sorted(values) and 1 < values[0] < 2 and values[-1] < model["limit"][name]
    assert model["speedup"]["gqa"]["1"] == pytest.approx(1.524, abs=1e-3)
    short = analytic.decode(DecodeParams(tokens=1))["speedup"]["gqa"]["1"]
    assert short == pytest.approx(28_975_616 / 25_829_888, rel=1e-3)  # only the projections differ


def test_bounds_are_bytes_over_bandwidth() -> None:
    allowed = analytic.bounds(2048, [1, 4], 1e9, 16)
    assert allowed["gqa"]["1"] == pytest.approx(1e9 / (51_659_776 + 8_388_608))
    ratio = allowed["gqa"]["4"] / allowed["mha"]["4"]
    assert ratio == pytest.approx(analytic.speedup(2, 2048, 4))


def test_capacity_never_falls_below_nothing() -> None:
    assert analytic.capacity(8, 32_768, 0.05) == 0
    assert analytic.capacity(2, 2048, 80, 8) == pytest.approx(2 * analytic.capacity(2, 2048, 80), abs=1)


@pytest.mark.parametrize(
    ("kind", "data", "sentence"),
    [
        (CacheParams, {"kv_heads": 3}, UNEVEN.format(3)),
        (LayerParams, {"kv_heads": "5"}, UNEVEN.format(5)),
        (CacheParams, {"kv_heads": 0}, UNEVEN.format(0)),
        (WiringParams, {"kv_heads": 16}, UNEVEN.format(16)),
        (CacheParams, {"tokens": 0}, "The cache length must be a whole number from 1 to 32,768."),
        (DecodeParams, {"tokens": -4}, "The cache length must be a whole number from 1 to 32,768."),
        (DecodeParams, {"tokens": "2.5"}, "The cache length must be a whole number from 1 to 32,768."),
        (DecodeParams, {"tokens": "many"}, "The cache length must be a whole number from 1 to 32,768."),
        (DecodeParams, {"tokens": 32_769}, "The position table ends at 32,768 tokens."),
    ],
)
def test_bad_input_is_one_sentence(kind: Any, data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParamError) as error:
        kind.from_dict(data)
    assert str(error.value) == sentence
    kind.clamp(data)  # the address bar never fails


def test_heads_may_come_as_text() -> None:
    assert CacheParams.from_dict({"kv_heads": "4", "tokens": "32768"}) == CacheParams(4, 32_768)


def test_what_does_not_fit_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labs.q06_gqa.limits.available_bytes", lambda _device: 16 * 10**9)
    needed = analytic.cache_bytes(2, 32_768, 256)
    with pytest.raises(ConfigError) as error:
        check_cache(needed, "cuda")
    assert str(error.value) == ("This cache needs 34.4 GB; this device has 16.0 GB. Lower batch or length.")
    with pytest.raises(ConfigError, match="This cache needs"):
        decode_batches(1024, 2048, "cuda", torch.bfloat16)
    assert decode_batches(0, 2048, "cuda", torch.bfloat16)[-1] == 128
    assert decode_batches(0, 32_768, "cuda", torch.bfloat16)[0] == 1
    with pytest.raises(ConfigError, match=r"^8- and 4-bit caches are computed, not run"):
        check_live_type("int8")


def test_a_cpu_stops_earlier() -> None:
    assert cached_tokens(32_768, "cpu") == CPU_TOKENS == 2048 and cached_tokens(32_768, "cuda") == 32_768
    assert decode_batches(1024, 16, "cpu", torch.float32) == [1, 4, 16, 32]
    assert decode_batches(0, 16, "cpu", torch.float32) == [1, 4]
    assert prefill_rows(CacheParams(batch=1024), "cpu") == 2
    assert prefill_rows(CacheParams(batch=1024, tokens=1), "cpu") == 32
    assert prefill_rows(CacheParams(batch=1024), "cuda") == 1024


def test_published_changes_are_those_of_the_claims() -> None:
    assert changes("mqa").keys() == load_question("q06_gqa").claim("Q6-C7").value.keys()  # type: ignore[union-attr]
    rounded = {name: round(change, 1) for name, change in changes("mqa").items()}
    assert rounded == {"shazeer": 1.0, "t5": 1.3, "llama": 0.9, "deepseek_mmlu": 16.2, "deepseek_ceval": 30.1}
    assert round(changes("gqa")["llama"], 1) == -0.3


def test_the_formula_side_needs_no_torch() -> None:
    code = (
        "import sys, labs.q06_gqa.params, labs.q06_gqa.analytic, labs.q06_gqa.figures, "
        "labs.q06_gqa.view; assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
