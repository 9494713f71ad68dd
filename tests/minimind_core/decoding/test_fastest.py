"""The fastest way of a device: taken where it can run, silently left out elsewhere, always equal tokens."""

from __future__ import annotations

import gc
import signal
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from minimind_core.decoding import cpu_step, native_library
from minimind_core.decoding.cpu_step import CpuStep, make_cpu_step
from minimind_core.decoding.generate import Generator, Method, generate
from minimind_core.decoding.native_library import is_built, load_library
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.decoding.step import Step
from minimind_core.decoding.stream import stream
from minimind_core.files.quantize import dequantize_int8, quantize_int8
from minimind_core.model.minimind import MiniMind
from tests.minimind_core.decoding.test_cpu_step import counted, needs_kernel
from tests.minimind_core.decoding.test_step_model import model_from_int8

PROMPTS = [[1, 5, 9], [7], [1, *range(5, 45)]]
PARAMS = [
    SamplingParams(0),
    SamplingParams(0.8, top_p=0.9, seed=3),
    SamplingParams(1.2, top_k=20, min_p=0.02, repetition_penalty=1.2, seed=4),
]
COUNT = 12


def written(model: MiniMind, method: Method) -> list[list[int]]:
    """Every prompt with every setting, each by itself."""
    return [
        generate(model, [ids], params, COUNT, method=method).new_ids[0]
        for ids in PROMPTS
        for params in PARAMS
    ]


def streamed(model: MiniMind) -> list[list[int]]:
    return [[token.id for token in stream(model, ids, params, COUNT)] for ids in PROMPTS for params in PARAMS]


@needs_kernel
def test_one_call_a_step_writes_and_streams_what_torch_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_from_int8()
    expected, called = written(model, "cached"), counted(monkeypatch)
    assert streamed(model) == written(model, "fastest") == expected
    assert len(called) == 2 * len(expected) * COUNT, "every token of both is its own"
    assert len({*map(tuple, expected)}) > len(PROMPTS), "the settings tell texts apart"


def _switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMIND_CPU_STEP", "off")


def _another_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True})


def _no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")


def _still_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_step, "is_built", lambda *_: False)


@pytest.mark.parametrize("cause", [_switched_off, _another_processor, _no_compiler, _still_compiling])
def test_without_it_torch_writes_and_nobody_is_told(
    cause: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    model = model_from_int8()
    expected, called = written(model, "cached"), counted(monkeypatch)
    cause(monkeypatch)
    assert streamed(model) == written(model, "fastest") == expected
    assert not called and capfd.readouterr() == ("", "")


@needs_kernel
def test_the_way_that_was_taken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(method: Method) -> tuple[str, list[str]]:
        model, heard = model_from_int8(), list[str]()
        generator = Generator(model, 1, 64, method)
        generator.generate([PROMPTS[0]], PARAMS[0], 2)
        list(stream(model, PROMPTS[0], PARAMS[0], 2, on_way=heard.append))
        return generator.way, heard

    assert told("fastest") == ("one_call", ["one_call"])
    assert (told("cached")[0], told("naive")[0]) == ("eager", "naive")
    _switched_off(monkeypatch)
    assert told("fastest") == ("eager", ["eager"])


def test_a_step_says_what_it_came_to_and_not_what_was_asked_for() -> None:
    model = model_from_int8()
    assert [Step(model, 1, 8, kind).way for kind in ("eager", "graph")] == ["eager", "eager"]


@needs_kernel
def test_a_model_is_packed_once_until_its_weights_change() -> None:
    model = model_from_int8()
    step = make_cpu_step(model)
    assert step is not None and make_cpu_step(model) is step
    weight = model.model.layers[0].mlp.up_proj.weight
    with torch.no_grad():
        weight.copy_(dequantize_int8(*quantize_int8(weight * 0.5)))
    changed = make_cpu_step(model)
    assert changed is not None and changed is not step
    prompt = [PROMPTS[2]]
    fast = Step(model, 1, 64, forward=changed).prefill(prompt)
    assert torch.allclose(fast, Step(model, 1, 64).prefill(prompt), atol=1e-4)
    with torch.no_grad():
        weight[0, 0] += 1e-3  # which int8 does not hold
    assert make_cpu_step(model) is None


@needs_kernel
def test_what_is_packed_goes_with_its_model() -> None:
    model = model_from_int8()
    list(stream(model, PROMPTS[0], PARAMS[0], 2))
    step = make_cpu_step(model)
    assert step is not None
    gone = [weakref.ref(model), weakref.ref(step)]
    del model, step
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


@needs_kernel
@pytest.mark.parametrize("scale", [1.0, 1e-7, 6e4, 0.0])
def test_weights_are_packed_as_they_are_rounded(scale: float) -> None:
    """Small groups have scales below fp16's normal numbers, large ones its largest."""
    model = model_from_int8()
    weight = model.model.layers[0].self_attn.o_proj.weight
    exact = quantize_int8(torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)) * scale)
    with torch.no_grad():
        weight.copy_(dequantize_int8(*exact))
    step = CpuStep(model)
    packed = next(kept for kept in step._kept if kept.dtype == torch.uint8 and kept.numel() == weight.numel())
    tiled = exact[0].view(-1, cpu_step.TILE, exact[1].shape[1], 16, 4).permute(0, 2, 3, 1, 4)
    assert torch.equal(packed.to(torch.int16) - 128, tiled.to(torch.int16))


def test_a_build_goes_on_beside_whoever_cannot_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if native_library.shutil.which("g++") is None:
        pytest.skip("no C++ compiler here")
    source, compiler, gate = tmp_path / "three.cpp", tmp_path / "slow-compiler", tmp_path / "gate"
    source.write_text('extern "C" int three() { return 3; }')
    native_library.os.mkfifo(gate)
    compiler.write_text(f'#!/bin/sh\nread _ < {gate}\nexec g++ "$@"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CXX", str(compiler))
    assert not is_built(source, [], []) and not is_built(source, [], [])
    gate.write_text("go\n")  # is read by the one compiler that was begun
    assert load_library(source, [], []).three() == 3
    assert is_built(source, [], [])
    source.write_text("not C++")
    assert not is_built(source, [], [])
    gate.write_text("go\n")
    with pytest.raises(OSError, match="refused three"):
        load_library(source, [], [])
    with pytest.raises(OSError, match="refused three"):
        is_built(source, [], [])


def test_a_build_that_was_killed_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if native_library.shutil.which("g++") is None:
        pytest.skip("no C++ compiler here")
    source, compiler, hold = tmp_path / "four.cpp", tmp_path / "held-compiler", tmp_path / "hold"
    source.write_text('extern "C" int four() { return 4; }')
    compiler.write_text(f'#!/bin/sh\n[ -e {hold} ] && exec sleep 600\nexec g++ "$@"\n')
    compiler.chmod(0o755)
    hold.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setattr(native_library, "_builds", {})
    assert not is_built(source, [], [])
    (build,) = native_library._builds.values()
    native_library.os.killpg(build.process.pid, signal.SIGKILL)
    hold.unlink()
    monkeypatch.setattr(native_library, "_builds", {})  # as in the next process
    assert load_library(source, [], []).four() == 4


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_tokens_are_those_of_plain_kernels() -> None:
    model = model_from_int8().cuda()
    expected = written(model, "cached")
    assert streamed(model) == expected
    assert written(model, "fastest") == expected


def test_new_ids_are_told_as_they_come() -> None:
    heard: list[list[list[int]]] = []
    generator = Generator(model_from_int8(), 2, 64, "fastest")
    done = generator.generate(PROMPTS[:2], PARAMS[0], 10, check_every=4, on_tokens=heard.append)
    assert [[len(row) for row in rows] for rows in heard] == [[1, 1], [4, 4], [4, 4], [1, 1]]
    told = [[token for rows in heard for token in rows[row]] for row in range(2)]
    assert told == done.new_ids
