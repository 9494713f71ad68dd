"""The claims of Question 10 about torch's own scaler, made to happen. Imports torch; runs on the CPU."""

from __future__ import annotations

import statistics
import warnings
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.utils._python_dispatch import TorchDispatchMode

from labs.claims.checks import CannotCheck, Check, Finding
from labs.contract import Counts, Numbers
from labs.tools.interleaved import interleaved

BOTH_IN_TENSOR_CORES = (8, 0)
SECONDS = 1.0


def defaults() -> Numbers:
    """The state of a new scaler."""
    state = GradScaler("cpu").state_dict()
    return {name: value for name, value in state.items() if name != "_growth_tracker"}


def who_changes_the_scale() -> dict[str, Any]:
    """The scale before and after `step` and `update` with an Inf gradient."""
    scaler, weight, optimizer = _parts()
    scaler.scale(weight.sum() * torch.inf).backward()
    before, old = scaler.get_scale(), weight.detach().clone()
    scaler.step(optimizer)
    after_step, moved = scaler.get_scale(), not torch.equal(weight, old)
    scaler.update()
    return {
        "before": before,
        "after_step": after_step,
        "after_update": scaler.get_scale(),
        "parameter_moved": moved,
    }


def consecutive() -> list[float]:
    """The scale after each of two good steps, a bad one and three good ones, with an interval of three."""
    scaler, weight, optimizer = _parts(growth_interval=3)
    scales = []
    for factor in (1.0, 1.0, torch.inf, 1.0, 1.0, 1.0):
        optimizer.zero_grad()
        scaler.scale(weight.sum() * factor).backward()
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
    return scales


def dtypes() -> dict[str, str]:
    """What autocast makes of gradients and loss, and what `unscale_` says to FP16 gradients."""
    seen: dict[str, str] = {}
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False))
    layers[0].register_full_backward_hook(
        lambda _module, _inputs, outputs: seen.update(between_layers=_name(outputs[0]))
    )
    with torch.autocast("cpu", dtype=torch.float16):
        loss = nn.functional.cross_entropy(layers(torch.randn(4, 8, requires_grad=True)), torch.arange(4))
    loss.backward()
    weight = layers[0].weight
    assert isinstance(weight, Tensor) and weight.grad is not None
    return {**seen, "stored": _name(weight.grad), "loss": _name(loss), "unscale_fp16": _unscale_fp16()}


def disabled() -> dict[str, Any]:
    """A scaler that is off, and a NaN gradient."""
    _, weight, optimizer = _parts()
    scaler = GradScaler("cpu", enabled=False)
    loss = weight.sum() * torch.nan
    same = scaler.scale(loss) is loss
    loss.backward()
    scaler.step(optimizer)
    scaler.update()
    return {
        "scale": scaler.get_scale(),
        "same_object": same,
        "state": "full" if scaler.state_dict() else "empty",
        "parameter": "NaN" if weight.isnan().all() else "numbers",
    }


def old_path() -> str:
    """The warning of the old class."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.amp.GradScaler()
    kinds = {warning.category.__name__ for warning in caught}
    return "FutureWarning" if "FutureWarning" in kinds else ", ".join(sorted(kinds))


def once_a_step() -> dict[str, Any]:
    """Two micro-batches with gradients 1 and 0.25, unscaled once, twice, and after each with an update."""
    scaler, weight, optimizer = _parts()
    for factor in (1.0, 0.25):
        scaler.scale(weight.sum() * factor).backward()
    scaler.unscale_(optimizer)
    once = _gradient(weight)
    try:
        scaler.unscale_(optimizer)
        second = "nothing"
    except RuntimeError as error:
        second = type(error).__name__
    scaler, weight, optimizer = _parts()
    for factor in (1.0, 0.25):
        scaler.scale(weight.sum() * factor).backward()
        scaler.unscale_(optimizer)
        scaler.update()
    return {"second_unscale": second, "per_micro_batch": _gradient(weight), "once": once}


def private_scale() -> dict[str, Any]:
    """The private attribute and the method, before the first use."""
    scaler = GradScaler("cpu")
    return {"private": str(scaler._scale), "public": scaler.get_scale()}


def _parts(growth_interval: int = 2000) -> tuple[GradScaler, nn.Parameter, torch.optim.Optimizer]:
    weight = nn.Parameter(torch.ones(1))
    return GradScaler("cpu", growth_interval=growth_interval), weight, torch.optim.SGD([weight], lr=0.1)


class HostReads(TorchDispatchMode):
    """Counts how often the host asks for the value of a tensor, and so has to wait for its device."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def waits_in_step() -> Counts:
    """Host reads inside `step` after an Inf gradient, with a plain and with a fused AdamW."""
    seen = {}
    for name, fused in (("plain", False), ("fused", True)):
        scaler, weight, _ = _parts()
        optimizer = torch.optim.AdamW([weight], fused=fused)
        scaler.scale(weight.sum() * torch.inf).backward()
        with HostReads() as reads:
            scaler.step(optimizer)
        assert weight.item() == 1, "the step was not skipped"
        seen[name] = reads.count
    return seen


def hidden_overflow() -> Finding:
    """Many tokens through one FP16 layer: each activation gradient fits, their weighted sum does not."""
    inputs = torch.full((1024, 4), 100.0, dtype=torch.float16, requires_grad=True)
    layer = nn.Linear(4, 4, bias=False).half()
    outputs = layer(inputs)
    outputs.backward(torch.ones_like(outputs))
    assert inputs.grad is not None and layer.weight.grad is not None
    seen = {
        "activations_finite": bool(inputs.grad.isfinite().all()),
        "weights_infinite": bool(layer.weight.grad.isinf().all()),
    }
    return Finding(all(seen.values()), seen)


def equally_fast() -> Finding:
    """Time of a BF16 matrix product over that of an FP16 one, the two timed in turn on a GPU."""
    if not torch.cuda.is_available() or torch.cuda.get_device_capability() < BOTH_IN_TENSOR_CORES:
        raise CannotCheck("This takes a GPU with Tensor Cores for BF16 and FP16.", key="q10.tensor_cores")
    ways = {}
    for name, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16)):
        factors = torch.randn(2, 4096, 4096, device="cuda", dtype=dtype)
        ways[name] = partial(torch.matmul, *factors)
    times = interleaved(ways, "cuda", SECONDS, lambda _share: None)
    ratio = statistics.median(times["bf16"]) / statistics.median(times["fp16"])
    return Finding(2 / 3 < ratio < 3 / 2, ratio)


def _unscale_fp16() -> str:
    weight = nn.Parameter(torch.ones(1, dtype=torch.float16))
    scaler, optimizer = GradScaler("cpu", init_scale=2.0), torch.optim.SGD([weight], lr=0.1)
    scaler.scale(weight.sum()).backward()
    try:
        scaler.unscale_(optimizer)
    except ValueError as error:
        return type(error).__name__
    return "nothing"


def _gradient(weight: nn.Parameter) -> float:
    assert weight.grad is not None
    return float(weight.grad)


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


CHECKS: dict[str, Check] = {
    "Q10-C5": defaults,
    "Q10-C7": who_changes_the_scale,
    "Q10-C8": consecutive,
    "Q10-C11": dtypes,
    "Q10-C16": waits_in_step,
    "Q10-C18": disabled,
    "Q10-C19": equally_fast,
    "Q10-C21": old_path,
    "Q10-C22": once_a_step,
    "Q10-C27": hidden_overflow,
    "Q10-C29": private_scale,
}
