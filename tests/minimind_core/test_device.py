"""Which device is chosen, and one sentence for each that is not there."""

from __future__ import annotations

import shutil

import pytest
import torch

from minimind_core import device
from minimind_core.device import cuda_notice, describe, pick_device, pick_dtype
from tests.minimind_core.checkpoint_samples import sentence


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that says it has two GPUs which compute in bf16."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_takes_the_gpu_and_its_dtype(gpus: None) -> None:
    assert pick_device() == pick_device("cuda") == torch.device("cuda:1")  # the current one
    assert pick_device("cuda:0") == torch.device("cuda:0") and pick_device("cpu") == torch.device("cpu")
    assert pick_dtype("auto", torch.device("cuda:0")) == torch.bfloat16
    assert pick_dtype("fp16", torch.device("cuda:0")) == torch.float16


def test_auto_without_a_gpu_is_the_cpu_in_fp32(no_gpu: None) -> None:
    assert pick_device() == torch.device("cpu") and pick_dtype("auto", torch.device("cpu")) == torch.float32


def test_apples_gpu_comes_before_the_cpu(no_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device() == torch.device("mps")


def test_a_device_that_is_not_there_is_said(no_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cuda_notice", lambda: None)
    assert sentence(lambda: pick_device("cuda")) == (
        "CUDA is not available here: no NVIDIA GPU was found; use --device cpu."
    )
    assert "Apple's MPS is not available" in sentence(lambda: pick_device("mps"))
    assert sentence(lambda: pick_device("tpu")) == "Unknown device 'tpu'; use auto, cpu, cuda or mps."
    assert "use fp32, bf16, fp16 or auto" in sentence(lambda: pick_dtype("int3", torch.device("cpu")))


def test_a_gpu_beyond_the_last_is_said(gpus: None) -> None:
    assert sentence(lambda: pick_device("cuda:2")) == "There is no cuda:2 here; the last GPU is cuda:1."


@pytest.mark.parametrize(
    ("version", "tool", "noticed"),
    [(None, "/usr/bin/nvidia-smi", True), ("13.0", "/usr/bin/nvidia-smi", False), (None, None, False)],
)
def test_a_cpu_build_beside_a_gpu_is_noticed(
    monkeypatch: pytest.MonkeyPatch, version: str | None, tool: str | None, noticed: bool
) -> None:
    monkeypatch.setattr(torch.version, "cuda", version)
    monkeypatch.setattr(shutil, "which", lambda name: tool)
    assert (cuda_notice() is not None) == noticed


def test_a_measured_number_carries_where_it_was_measured() -> None:
    facts = describe(torch.device("cpu"), torch.float32)
    assert (facts["device"], facts["dtype"]) == ("cpu", "fp32") and facts["device_name"]
    assert facts["versions"]["torch"] == torch.__version__ and facts["threads"] >= 1


def test_what_can_be_chosen_on_a_cpu(no_gpu: None) -> None:
    assert list(device.available()) == ["cpu"] and device.available()["cpu"][0] == "fp32"


def test_an_older_gpu_is_offered_no_bf16(gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert device.available()["cuda"] == ["fp32", "fp16"]
