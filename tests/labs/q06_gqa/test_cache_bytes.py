"""Bytes exactly, the byte model, what is refused, and how far a CPU goes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from labs.contract.fields import ParamError
from labs.q06_gqa import claims
from labs.q06_gqa.cache import CacheParams
from labs.q06_gqa.cache_bytes import (
    BITS,
    QUERY_HEADS,
    SHARED,
    VARIANTS,
    bounds,
    break_even_batch,
    cache_bytes,
    cached_tokens,
    capacity,
    check_cache,
    shape,
    speedup,
)
from labs.q06_gqa.decode import DecodeParams, byte_model
from labs.q06_gqa.layer import LayerParams
from labs.q06_gqa.wiring import WiringParams
from minimind_core.errors import ConfigError
from minimind_core.model.cost import num_parameters
from minimind_core.model.kv_cache import StaticCache

UNEVEN = "8 query heads cannot be split evenly over {} KV heads. Pick 1, 2, 4 or 8."
WHOLE = "The cache length must be a whole number from 1 to 32,768."


@pytest.mark.parametrize("kv_heads", [1, 2, 4, 8])
@pytest.mark.parametrize("tokens", [1, 512, 2048, 8192, 32_768])
@pytest.mark.parametrize("batch", [1, 32])
@pytest.mark.parametrize("kind", BITS)
def test_bytes_are_exact(kv_heads: int, tokens: int, batch: int, kind: str) -> None:
    bits = BITS[kind]
    expected = 2 * 8 * kv_heads * 64 * tokens * batch * bits // 8
    assert cache_bytes(kv_heads, tokens, batch, bits) == expected
    assert cache_bytes(8, tokens, batch, bits) == expected * 8 // kv_heads


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_bytes_are_those_of_the_tensors(dtype: torch.dtype) -> None:
    for kv_heads in (1, 2, 4, 8):
        held = StaticCache(shape(kv_heads), 3, 17, dtype=dtype)
        assert held.nbytes == cache_bytes(kv_heads, 17, 3, 8 * dtype.itemsize)


def test_agrees_with_the_independent_claims() -> None:
    for name, heads in VARIANTS.items():
        assert cache_bytes(heads, 2048) == claims.cache_bytes(heads)
        assert float(f"{capacity(heads, 2048, 80):.2g}") == claims.capacity()[name]
        assert break_even_batch(heads, 2048) == pytest.approx(claims.break_even()[name])
    for heads in (8, 4, 2, 1):
        assert num_parameters(shape(heads)) == claims.parameters(heads)
        assert num_parameters(shape(heads)) == 25_829_888 + (heads - 2) * 524_288


def test_the_byte_model_rises_from_little_to_the_limit() -> None:
    model = byte_model(2048)
    assert list(model["speedup"]) == list(SHARED)
    for name in SHARED:
        values = list(model["speedup"][name].values())
        assert values == sorted(values) and 1 < values[0] < 2
        assert 0.98 * QUERY_HEADS / VARIANTS[name] < values[-1] < QUERY_HEADS / VARIANTS[name]
    assert model["speedup"]["gqa"]["1"] == pytest.approx(1.524, abs=1e-3)
    short = byte_model(1)["speedup"]["gqa"]["1"]
    assert short == pytest.approx(28_975_616 / 25_829_888, rel=1e-3)  # only the projections differ


def test_bounds_are_bytes_over_bandwidth() -> None:
    allowed = bounds(2048, [1, 4], 1e9, 16)
    assert allowed["gqa"]["1"] == pytest.approx(1e9 / (51_659_776 + 8_388_608))
    assert allowed["gqa"]["4"] / allowed["mha"]["4"] == pytest.approx(speedup(2, 2048, 4))


def test_capacity_never_falls_below_nothing() -> None:
    assert capacity(8, 32_768, 0.05) == 0
    assert capacity(2, 2048, 80, 8) == pytest.approx(2 * capacity(2, 2048, 80), abs=1)


@pytest.mark.parametrize(
    ("kind", "data", "sentence"),
    [
        (CacheParams, {"kv_heads": 3}, UNEVEN.format(3)),
        (LayerParams, {"kv_heads": "5"}, UNEVEN.format(5)),
        (CacheParams, {"kv_heads": 0}, UNEVEN.format(0)),
        (WiringParams, {"kv_heads": 16}, UNEVEN.format(16)),
        (CacheParams, {"kv_heads": "two"}, "kv_heads must be one of 1, 2, 4, 8, not 'two'."),
        (CacheParams, {"tokens": 0}, WHOLE),
        (DecodeParams, {"tokens": -4}, WHOLE),
        (DecodeParams, {"tokens": "2.5"}, WHOLE),
        (DecodeParams, {"tokens": "many"}, WHOLE),
        (DecodeParams, {"tokens": 32_769}, "The position table ends at 32,768 tokens."),
    ],
)
def test_bad_input_is_one_sentence(kind: Any, data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParamError) as error:
        kind.from_dict(data)
    assert str(error.value) == sentence
    params, changed = kind.clamp(data)  # the address bar never fails
    assert len(changed) == 1 and isinstance(params, kind)


def test_heads_may_come_as_text() -> None:
    assert CacheParams.from_dict({"kv_heads": "4", "tokens": "32768"}) == CacheParams(4, 32_768)


def test_what_does_not_fit_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labs.q06_gqa.cache_bytes.free_bytes", lambda _device: 16 * 10**9)
    check_cache(16 * 10**9, "cuda")
    with pytest.raises(ConfigError) as error:
        check_cache(cache_bytes(2, 32_768, 256), "cuda")
    assert str(error.value) == "This cache needs 34.4 GB; this device has 16.0 GB. Lower batch or length."


def test_a_cpu_stops_at_fewer_tokens() -> None:
    assert cached_tokens(32_768, "cpu") == cached_tokens(32_768, "mps") == 2048
    assert cached_tokens(100, "cpu") == 100 and cached_tokens(32_768, "cuda") == 32_768


def test_what_the_page_needs_loads_no_torch() -> None:
    code = (
        "import sys; from labs.contract.registry import Registry;"
        "experiments = Registry.discover().of_question('q06');"
        "[each.formula(each.params()) for each in experiments];"
        "[each.seconds(each.params(), 'cuda') for each in experiments];"
        "assert len(experiments) == 7 and 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
