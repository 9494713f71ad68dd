"""The claims of Question 8 about what torch's functions do, tried on small tensors. Imports torch."""

from __future__ import annotations

import time
import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile

from labs.claims.checks import CannotCheck, Check, Finding
from minimind_core.decoding.decode import Decoding
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.model.config import PRESETS
from minimind_core.model.minimind import MiniMind

STEPS = 50


def _heads(queries: int, keys: int) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    q = torch.randn(1, 8, queries, 64, generator=random)
    k, v = (torch.randn(1, 8, keys, 64, generator=random) for _ in range(2))
    return q, k, v


def _written_out(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The last queries of a sequence against all of its keys."""
    queries, keys = q.shape[-2], k.shape[-2]
    visible = torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)
    scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~visible, -torch.inf)
    return torch.softmax(scores, -1) @ v


def causal_alignment() -> Finding:
    """One and six queries against 100 keys: is_causal, and the triangle aligned at the lower right."""
    from torch.nn.attention.bias import causal_lower_right  # brings the whole compiler: 1.7 s

    q, k, v = _heads(1, 100)
    alone = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    first_value = float((alone - v[..., :1, :]).abs().max())
    q, k, v = _heads(6, 100)
    truth = _written_out(q, k, v)
    flag = float((F.scaled_dot_product_attention(q, k, v, is_causal=True) - truth).abs().max())
    aligned = F.scaled_dot_product_attention(q, k, v, attn_mask=causal_lower_right(6, 100))
    right = float((aligned - truth).abs().max())
    return Finding(
        first_value < 1e-6 and flag > 0.5 and right < 1e-5,
        {"one_against_first_value": first_value, "six_off_by": flag, "lower_right": right},
    )


def mask_and_flag() -> dict[str, str]:
    """A mask together with is_causal=True, on the math backend and on the fused CPU one."""
    q, k, v = _heads(4, 4)
    everything = torch.ones(4, 4, dtype=torch.bool)
    found = {}
    for name, backend in (("math", SDPBackend.MATH), ("fused", SDPBackend.FLASH_ATTENTION)):
        try:
            with sdpa_kernel(backend):
                out = F.scaled_dot_product_attention(q, k, v, attn_mask=everything, is_causal=True)
            triangle = torch.allclose(out, _written_out(q, k, v), atol=1e-5)
            found[name] = "triangle" if triangle else "something else"
        except RuntimeError as error:
            found[name] = type(error).__name__
    return found


def fused_rounding() -> Finding:
    """Fused against written-out attention: not the same bits, but close."""
    q, k, v = _heads(256, 256)
    fused = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    difference = float((fused - _written_out(q, k, v)).abs().max())
    return Finding(0 < difference < 1e-4, difference)


def _quantization() -> Any:
    try:
        from torch.ao import quantization
    except ImportError as error:
        raise CannotCheck(
            "This torch no longer has torch.ao.quantization.", key="verdict.no_quantization"
        ) from error
    return quantization


def dynamic_on_half() -> dict[str, str]:
    """Dynamic quantization of an fp32 and of an FP16 layer, and the first forward of each."""
    quantization, found = _quantization(), {}
    for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = quantization.quantize_dynamic(nn.Sequential(nn.Linear(64, 64)).to(dtype), {nn.Linear})
                model(torch.zeros(1, 64, dtype=dtype))
            found[name] = "runs"
        except RuntimeError as error:
            found[name] = type(error).__name__
    return found


def static_without_observers() -> int:
    """Quantised modules after `convert` where `prepare` was left out."""
    quantization = _quantization()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)).eval()
        model.qconfig = quantization.get_default_qconfig()
        model(torch.zeros(8, 64))
        converted = quantization.convert(model)
    return sum("quantized" in type(module).__module__ for module in converted.modules())


def idle_share() -> Finding:
    """Kernels of one eager decode step on a GPU, and the share of its wall time that they fill."""
    if not torch.cuda.is_available():
        raise CannotCheck(
            "Only a GPU launches kernels; this machine has none that torch can use.", key="verdict.no_gpu"
        )
    decoding = Decoding(MiniMind(PRESETS["minimind-26m"]).to("cuda", torch.bfloat16).eval(), 1, 128)
    decoding.start([[1, 2, 3]], [SamplingParams(temperature=0)])
    decoding.advance(20)  # warm-up
    torch.cuda.synchronize()
    begin = time.perf_counter()
    decoding.advance(STEPS)
    torch.cuda.synchronize()
    wall = time.perf_counter() - begin
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        decoding.advance(STEPS)
        torch.cuda.synchronize()
    rows = profiler.key_averages()
    busy = sum(row.self_device_time_total for row in rows) / 1e6 / wall
    kernels = sum(row.count for row in rows if row.self_device_time_total) // STEPS
    return Finding(busy < 0.5, {"kernels_a_step": kernels, "busy_share": busy})


CHECKS: dict[str, Check] = {
    "Q8-C2": causal_alignment,
    "Q8-C8": dynamic_on_half,
    "Q8-C16": idle_share,
    "Q8-C18": mask_and_flag,
    "Q8-C19": fused_rounding,
    "Q8-C27": static_without_observers,
}
