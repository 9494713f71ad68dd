"""Beside llama.cpp and ONNX Runtime: equal tokens, a row for each, or a line that installs it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from minimind_core import native_benchmark
from minimind_core.decoding.generate import Generator
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.files.checkpoint import LoadedModel, load_model
from minimind_core.native_packages import PACKAGES
from minimind_core.native_peers import LlamaCpp, missing
from tests.minimind_core.decoding.test_cpu_step import counted, needs_kernel

GREEDY = SamplingParams(temperature=0)


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_model("nano-rope", torch.device("cpu"), torch.float32)


def test_what_is_not_installed_has_no_row_and_a_line_that_installs_it(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    assert missing() == {
        "llama.cpp": "pip install llama-cpp-python==0.3.36 gguf==0.19.0",
        "ONNX Runtime": "pip install onnxruntime==1.31.1 onnx==1.23.2",
    }
    assert list(native_benchmark.native_benchmark(loaded, repeats=1)) == []


def test_onnx_runtime_chooses_our_token(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    if "ONNX Runtime" in missing():
        pytest.skip(missing()["ONNX Runtime"])
    monkeypatch.setattr(native_benchmark, "missing", lambda: {"llama.cpp": "left out"})
    monkeypatch.setattr(native_benchmark, "READ_TOKENS", 24)
    runs: list[tuple[int, int]] = []
    (row,) = native_benchmark.native_benchmark(loaded, 1, lambda done, total: runs.append((done, total)))
    assert row.equal_tokens and row.peer_name == "ONNX Runtime" and row.ratio is not None
    assert [done for done, _ in runs] == list(range(1, runs[-1][1] + 1)), "progress ends where it said"


@needs_kernel
def test_the_prompt_is_read_as_generate_reads_it(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Peer:
        """Plain torch."""

        def __init__(self, *_: object) -> None:
            pass

        def logits(self, prompts: list[list[int]]) -> np.ndarray:
            with torch.inference_mode():
                return loaded.model(torch.tensor(prompts)).numpy()

    monkeypatch.setattr(native_benchmark, "missing", lambda: {"llama.cpp": "left out"})
    monkeypatch.setattr(native_benchmark, "OnnxRuntime", Peer)
    monkeypatch.setattr(native_benchmark, "READ_TOKENS", 24)
    called = counted(monkeypatch)
    (row,) = native_benchmark.native_benchmark(loaded, 1)
    assert row.equal_tokens and len(called) == 1 + native_benchmark.WARM_UP + 1


def test_llama_cpp_writes_our_tokens_in_a_batch(loaded: LoadedModel, tmp_path: Path) -> None:
    if "llama.cpp" in missing():
        pytest.skip(missing()["llama.cpp"])
    prompts = [[1, 5, 7, 9], [1, 20, 21, 22], [1, 300, 301, 302]]
    ours = Generator(loaded.model, 3, 64).generate(prompts, GREEDY, 20).new_ids
    peer = LlamaCpp(loaded, "F32", tmp_path, 3, 64)
    assert peer.generate(prompts, 20) == ours
    peer.forget(3)
    assert (peer.logits([[p[3]] for p in prompts], 3).argmax(-1) == [row[0] for row in ours]).all()
    peer.close()


def test_each_peer_names_the_packages_that_the_requirements_pin() -> None:
    pinned = Path("requirements-dev.txt").read_text() + Path("requirements.txt").read_text()
    for wanted in PACKAGES["ONNX Runtime"].values():
        assert wanted in pinned
