"""Which device and dtype to run on, and their names. The only place that asks torch which devices exist."""

from __future__ import annotations

import contextlib
import platform
import shutil
from collections.abc import Sequence
from typing import Any

import torch

from minimind_core.errors import DeviceError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def pick_device(name: str = "auto") -> torch.device:
    """ "auto" takes CUDA, then Apple's MPS, then the CPU. Raises DeviceError for what is not here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind = name.split(":")[0]
    if kind not in ("cpu", "cuda", "mps"):
        raise DeviceError(
            f"Unknown device {name!r}; use auto, cpu, cuda or mps.", key="device.unknown", name=name
        )
    if kind == "cuda" and not torch.cuda.is_available():
        reason = cuda_notice() or "no NVIDIA GPU was found"
        raise DeviceError(f"CUDA is not available here: {reason}; use --device cpu.", key="device.no_cuda")
    if kind == "cuda" and (torch.device(name).index or 0) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise DeviceError(
            f"There is no {name} here; the last GPU is cuda:{last}.",
            key="device.no_gpu",
            name=name,
            last=last,
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("Apple's MPS is not available here; use --device cpu.", key="device.no_mps")
    if kind == "cuda" and torch.device(name).index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device(name)


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """ "auto" is bf16 where the GPU computes in it, else fp32. Raises DeviceError for an unknown name."""
    if name == "auto":
        name = "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    if name not in DTYPES:
        raise DeviceError(
            f"Unknown dtype {name!r}; use {', '.join(DTYPES)} or auto.",
            key="device.dtype",
            name=name,
            known=", ".join(DTYPES),
        )
    return DTYPES[name]


def available() -> dict[str, list[str]]:
    """The devices of this machine, "cpu" first, each with the names of the dtypes that it computes in.

    >>> available()     # on an Intel server
    {'cpu': ['fp32', 'bf16', 'fp16']}
    """
    devices = {"cpu": _computes("cpu")}
    if torch.cuda.is_available():
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        devices["cuda"] = ["fp32", *["bf16"] * bf16, "fp16"]
    if torch.backends.mps.is_available():
        devices["mps"] = _computes("mps")
    return devices


def _computes(device: str) -> list[str]:
    """The dtypes that multiply two numbers without an error."""
    names = []
    for name, dtype in DTYPES.items():
        with contextlib.suppress(RuntimeError, TypeError):
            one = torch.ones(1, 1, dtype=dtype, device=device)
            assert (one @ one).item() == 1.0
            names.append(name)
    return names


def dtype_name(dtype: torch.dtype) -> str:
    """The short name that the command line and the results use: fp32, bf16 or fp16."""
    return next(name for name, known in DTYPES.items() if known == dtype)


def cuda_notice() -> str | None:
    """One sentence where an NVIDIA GPU is there but this torch cannot use it, else None."""
    if torch.version.cuda is None and shutil.which("nvidia-smi"):
        return (
            "an NVIDIA GPU is present but this PyTorch is a CPU build; "
            "install a CUDA build as the README says"
        )
    return None


def device_name(device: torch.device) -> str:
    """What a person calls it: "NVIDIA H200", "Apple MPS", or the processor's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "Apple MPS" if device.type == "mps" else _cpu_name()


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def memory_bytes(device: torch.device) -> int | None:
    """Free memory of a GPU in bytes; None where torch does not tell."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def upload(values: Sequence[Any], device: torch.device, dtype: torch.dtype = torch.int64) -> torch.Tensor:
    """Numbers, or lists of equally many, as a tensor there; does not wait for what the device does."""
    tensor = torch.tensor(values, dtype=dtype)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def synchronize(device: torch.device) -> None:
    """Wait until everything that was launched has finished; at once on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def describe(device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """What every measured number carries: device, its name, dtype, threads, versions."""
    return {
        "device": device.type,
        "device_name": device_name(device),
        "dtype": dtype_name(dtype),
        "threads": torch.get_num_threads(),
        "versions": {
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "python": platform.python_version(),
        },
    }
