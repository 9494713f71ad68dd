"""The ladder: every rung decodes the same token, counts what it reads, and is compared with the right one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from labs.machine import probes
from labs.q08_speedup import ladder
from labs.q08_speedup.aside import aside
from labs.q08_speedup.ladder import BELOW, Ladder, LadderParams
from labs.q08_speedup.peer_rungs import peer_rungs
from labs.q08_speedup.rungs import GrowingCache, Rungs, fits_int8, in_int8, read_bytes
from labs.tools.budgets import PerDevice
from labs.tools.models import TINY, copied, untrained
from minimind_core import native_peers
from minimind_core.decoding import int8_linear
from minimind_core.decoding.cpu_step import make_cpu_step
from minimind_core.files.checkpoint import LoadedModel, load_model
from minimind_core.files.quantize import quantize_int8
from minimind_core.model.cost import kv_cache_bytes
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import Run, Show
from tests.minimind_core.decoding.test_cpu_step import needs_kernel

TOKENS = 24


@pytest.fixture(scope="module")
def result(run: Run) -> dict[str, Any]:
    return climbed(run, context=32)


def climbed(run: Run, **settings: Any) -> dict[str, Any]:
    """A short climb on the rungs that need nothing built or installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladder, "SECONDS", PerDevice(cpu=0.1, cuda=0.1))
        patch.setattr(probes, "COPIED", PerDevice(cpu=(2**20,), cuda=(2**20,)))
        patch.setattr(int8_linear, "is_available", lambda: False)
        patch.setattr(native_peers, "missing", lambda: {"llama.cpp": "pip", "ONNX Runtime": "pip"})
        patch.setenv("MINIMIND_CPU_STEP", "off")
        return run("ladder", **settings)


@pytest.fixture(scope="module")
def maker() -> Rungs:
    model = untrained(TINY, "cpu").eval()
    return Rungs(model, torch.arange(5, 5 + TOKENS)[None])


@torch.inference_mode()
@pytest.mark.parametrize("name", ["growing", "static", "written_out", "joined"])
def test_a_lossless_rung_has_the_logits_of_reading_all_again(maker: Rungs, name: str) -> None:
    reference = maker.model(maker.ids)[:, -1]
    rung = getattr(maker, name)()
    for _ in range(2):  # the same step each time
        assert torch.allclose(rung.decode(), reference, atol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["growing", "static", "written_out", "joined"])
def test_a_batch_decodes_for_every_row_what_it_decodes_alone(maker: Rungs, name: str) -> None:
    ids = torch.stack([maker.ids[0], maker.ids[0].flip(0), maker.ids[0] + 1])
    many = Rungs(maker.model, ids)
    rung = getattr(many, name)()
    alone = torch.cat([getattr(Rungs(maker.model, row[None]), name)().decode() for row in ids])
    for _ in range(2):  # the same step each time
        assert torch.allclose(rung.decode(), alone, atol=1e-4)
    cache = 4 * 2 * TINY.num_layers * TINY.num_kv_heads * TINY.head_dim * TOKENS
    assert rung.num_bytes - getattr(maker, name)().num_bytes == 2 * cache
    assert many.recomputed().num_bytes == maker.recomputed().num_bytes


@needs_kernel
@torch.inference_mode()
def test_one_call_decodes_a_batch_too() -> None:
    loaded = load_model("nano-rope", torch.device("cpu"), torch.float32)
    maker = Rungs(loaded.model, torch.stack([torch.arange(5, 5 + TOKENS), torch.arange(9, 9 + TOKENS)]))
    whole = make_cpu_step(loaded.model)
    assert whole is not None
    assert torch.allclose(maker.one_call(whole).decode(), maker.recomputed().decode(), atol=1e-4)


@needs_kernel
@torch.inference_mode()
def test_one_call_decodes_the_same_token_and_reads_a_byte_a_weight() -> None:
    loaded = load_model("nano-rope", torch.device("cpu"), torch.float32)
    maker = Rungs(loaded.model, torch.arange(5, 5 + TOKENS)[None])
    whole = make_cpu_step(loaded.model)
    assert whole is not None
    rung = maker.one_call(whole)
    for _ in range(2):  # the same step each time
        assert torch.allclose(rung.decode(), maker.recomputed().decode(), atol=1e-4)
    assert loaded.model.model.rotary is not None
    turns = loaded.model.model.rotary.inv_freq.nbytes
    assert whole.num_bytes == read_bytes(in_int8(loaded.model)) + turns


class _PeerOfTorch:
    """Our own model with the calls of a peer, which keeps what it has read of every row."""

    def __init__(self, loaded: LoadedModel, *_: object) -> None:
        self.model, self.ids, self.num_bytes, self.open = loaded.model, [], 7, True
        _PeerOfTorch.made.append(self)

    made: ClassVar[list[Any]] = []

    def forget(self, position: int) -> None:
        self.ids = [row[:position] for row in self.ids]

    @torch.inference_mode()
    def logits(self, ids: list[list[int]], position: int | None = None) -> np.ndarray:
        assert self.open
        before = self.ids if position and self.ids else [[] for _ in ids]
        self.ids = [[*old, *new] for old, new in zip(before, ids, strict=True)]
        assert position is None or {len(row) for row in self.ids} == {position + len(ids[0])}
        logits = self.model(torch.tensor(self.ids))
        return (logits if position is None else logits[:, -1]).numpy()

    def close(self) -> None:
        self.open = False


THREE = torch.stack([torch.arange(start, start + TOKENS) for start in (5, 9, 90)])
"""Contexts of a batch; none is another's."""


@torch.inference_mode()
@pytest.mark.parametrize("rows", [1, 3])
def test_peers_that_are_installed_are_rungs_and_are_closed(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_peers, "missing", dict)
    monkeypatch.setattr(native_peers, "LlamaCpp", _PeerOfTorch)
    monkeypatch.setattr(native_peers, "OnnxRuntime", _PeerOfTorch)
    monkeypatch.setattr(_PeerOfTorch, "made", [])
    loaded = load_model("nano-rope", torch.device("cpu"), torch.float32)
    ids = THREE[:rows]
    with peer_rungs(loaded, ids, lambda: None) as (rungs, missing):
        assert list(rungs) == ["llama_cpp", "onnx"] and not missing
        for rung in rungs.values():
            for _ in range(2):  # the same step each time
                assert torch.allclose(rung.decode(), loaded.model(ids)[:, -1], atol=1e-4)
    assert [peer.open for peer in _PeerOfTorch.made] == [False, True], "the first holds memory of its own"
    rounded = load_model("nano-rope", torch.device("cpu"), torch.bfloat16)
    with peer_rungs(rounded, ids, lambda: None) as (rungs, missing):
        assert not rungs and missing == {"llama_cpp": "peers_on_cpu", "onnx": "peers_on_cpu"}


@torch.inference_mode()
@pytest.mark.parametrize("rows", [1, 3])
def test_the_peers_themselves_decode_the_same_token(rows: int) -> None:
    """Those that are installed here; ONNX Runtime is a requirement of the tests."""
    loaded = load_model("nano-rope", torch.device("cpu"), torch.float32)
    ids, cached = THREE[:rows], kv_cache_bytes(loaded.config, rows, TOKENS, 4)
    expected = loaded.model(ids)[:, -1]
    with peer_rungs(loaded, ids, lambda: None) as (rungs, missing):
        assert rungs.keys() | missing.keys() == {"llama_cpp", "onnx"} and "onnx" in rungs
        for name, rung in rungs.items():
            off = 1e-3 if name == "onnx" else 0.5  # Q8_0 rounds what it multiplies as well
            for _ in range(2):  # the same step each time
                assert torch.allclose(rung.decode(), expected, atol=off), name
        assert rungs["onnx"].num_bytes == read_bytes(loaded.model)
        assert "llama_cpp" not in rungs or rungs["llama_cpp"].num_bytes > cached


@torch.inference_mode()
def test_int8_is_lossless_where_the_weights_were_int8_before(
    maker: Rungs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The product of one row is that of the kernel, or here of its plain meaning."""
    monkeypatch.setattr(int8_linear.Int8Linear, "forward", _widened)
    rounded = Rungs(_dequantized(maker.model), maker.ids)
    assert torch.allclose(rounded.int8().decode(), rounded.recomputed().decode(), atol=1e-4)
    assert not torch.allclose(maker.int8().decode(), maker.recomputed().decode(), atol=1e-4)


def test_a_growing_cache_copies_and_forgets() -> None:
    filled = StaticCache(TINY, 1, 3)
    filled.fill(0.5)
    cache, new = GrowingCache(filled), torch.ones(1, TINY.num_kv_heads, 1, TINY.head_dim)
    for _ in range(2):
        cache.mark(torch.tensor([[3]]), torch.tensor([[3]]))
        keys, values = cache.write(0, torch.tensor([[3]]), new, new)
        assert keys.shape[2] == values.shape[2] == 4 and cache.positions.tolist() == [[0, 1, 2, 3]]
        assert torch.equal(keys[:, :, :3], filled.keys[0]) and torch.equal(keys[:, :, 3:], new)


def test_bytes_are_those_of_weights_and_cache() -> None:
    model = untrained(TINY, "cpu")
    weights = sum(parameter.numel() for parameter in model.parameters())
    assert read_bytes(model) == 4 * weights
    assert Rungs(model, torch.ones(1, TOKENS, dtype=torch.int64)).static().num_bytes == 4 * (
        weights + 2 * TINY.num_layers * TINY.num_kv_heads * TINY.head_dim * TOKENS
    )
    matrices = sum(p.numel() for p in model.parameters() if p.dim() == 2)
    assert read_bytes(in_int8(model)) == matrices + 4 * matrices // 64 + 4 * (weights - matrices)
    assert not fits_int8(untrained(TINY.replace(hidden_size=80), "cpu"))


def test_the_factors_compare_with_the_rung_below(result: dict[str, Any]) -> None:
    seconds = {name: rung["seconds"]["median"] for name, rung in result["rungs"].items()}
    assert list(seconds) == ["none", "cache", "static", "flash", "joined"]
    for name in list(seconds)[1:]:
        assert result["speedup"][name] == pytest.approx(seconds[BELOW[name]] / seconds[name], rel=0.5)
    assert result["speedup"]["fused"] == result["speedup"]["joined"]
    assert seconds[result["top_rung"]] == min(seconds.values())
    assert all(rung["same_token"] and rung["difference"] < 1e-3 for rung in result["rungs"].values())
    assert result["missing"] == {
        "compile": "compile",
        "graph": "no_gpu",
        "kernels": "no_gpu",
        "int8": "no_compiler",
        "one_call": "one_call",
        "llama_cpp": "no_llama_cpp",
        "onnx": "no_onnx",
    }
    assert result["arithmetic"] > 20


def test_what_is_not_here_says_so_in_one_sentence(result: dict[str, Any], show: Show) -> None:
    shown = show("ladder", result)
    assert [note for note in shown.notes if "GPU" in note] and [n for n in shown.notes if "compiler" in n]
    assert len([note for note in shown.notes if "pip install " in note]) == 2
    drawn = shown.figures["ladder"].data[0]
    assert drawn["x"] == [1 / rung["seconds"]["median"] for rung in result["rungs"].values()]
    floors = shown.figures["ladder"].data[1]["x"]
    assert floors == [result["bandwidth"] / rung["num_bytes"] for rung in result["rungs"].values()]
    assert all(row["How this rung deceives"] for row in shown.rows)
    assert shown.sentence is not None and shown.sentence["measured"] == result["speedup"]["top"]


def test_a_batch_is_said_and_shared(run: Run, show: Show) -> None:
    result = climbed(run, context=32, batch=3)
    shown = show("ladder", result)
    top = result["rungs"][result["top_rung"]]
    assert result["batch"] == 3 and top["same_token"]
    drawn, floors = shown.figures["ladder"].data
    assert max(drawn["x"]) == 3 / top["seconds"]["median"]
    assert max(floors["x"]) == max(3 * result["bandwidth"] / r["num_bytes"] for r in result["rungs"].values())
    assert "a token for 3 users" in " ".join(shown.notes)


def test_the_line_at_one_crosses_no_factor(result: dict[str, Any], show: Show) -> None:
    slower = {**result, "speedup": {**result["speedup"], "joined": 0.4}}
    bars, words, _ = show("ladder", slower).figures["factors"].data
    assert min(bars["x"]) == 0.4 and min(words["x"]) == 1.0 and "  0.40×" in words["text"]
    assert len(words["text"]) == len(bars["y"]) and words["textposition"] == "middle right"


def test_an_answer_is_as_many_steps(run: Run, result: dict[str, Any], show: Show) -> None:
    answer = result["view"]
    assert answer["tokens"] == 32
    assert answer["seconds"]["none"] == 32 * result["rungs"]["none"]["seconds"]["median"]
    assert "An answer of 32 tokens takes" in " ".join(show("ladder", result).notes)
    assert "users" not in " ".join(show("ladder", result).notes)


def test_what_would_be_read_again_is_bounded(refused: Callable[..., str]) -> None:
    assert refused("ladder", context=2048, batch=8) == (
        "The rung without a cache would read 16,384 tokens a step; take a smaller batch or a shorter "
        "context, 8,192 tokens together."
    )
    assert Ladder().seconds(LadderParams(batch=16), "cpu") < 60


def test_the_estimate_grows_with_the_context() -> None:
    few, many = (Ladder().seconds(LadderParams(context=context), "cpu") for context in (64, 2048))
    assert few < Ladder().seconds(LadderParams(), "cpu") <= 10 < many
    assert Ladder().seconds(LadderParams(compile=True), "cuda") > 60


def test_work_aside_can_be_left_alone() -> None:
    """Somebody who waits for a build may go; it ends by itself. What goes wrong in it is said."""
    release, ended = threading.Event(), threading.Event()

    def work() -> bool:
        found = release.wait(60)
        ended.set()
        return found

    def leave() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        aside(work, leave)
    assert not ended.is_set()
    assert aside(work, release.set) and ended.wait(60)
    with pytest.raises(ZeroDivisionError):
        aside(lambda: 1 // 0, lambda: None)


def _widened(linear: int8_linear.Int8Linear, x: torch.Tensor) -> torch.Tensor:
    return x @ int8_linear.dequantize_int8(linear.q, linear.scale).T


def _dequantized(model: MiniMind) -> MiniMind:
    twin = copied(model).eval()
    for parameter in twin.parameters():
        if parameter.dim() == 2:
            q, scale = quantize_int8(parameter)
            parameter.data = int8_linear.dequantize_int8(q, scale)
    return twin
