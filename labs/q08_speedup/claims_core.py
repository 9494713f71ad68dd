"""The claims of Question 8 about what torch's functions do, tried on small tensors. Imports torch."""

from __future__ import annotations

import time

import torch
from torch.profiler import ProfilerActivity, profile

from labs.claims.checks import CannotCheck, Check, Finding
from labs.q08_speedup.causal_masks import heads, last_rows, mask_and_flag, ways, written_out
from labs.q08_speedup.company import in_fixed_order
from labs.q08_speedup.torch_quantization import dynamic, static_modules
from minimind_core.decoding.decode import Decoding
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.model.config import PRESETS
from minimind_core.model.minimind import MiniMind

STEPS = 50


def causal_alignment() -> Finding:
    """One and six queries against 100 keys: is_causal, and the triangle aligned at the lower right."""
    alone, v = ways(1, 100)["flag"], heads(1, 100)[2]
    first_value = float((alone - v[..., :1, :]).abs().max())
    truth = written_out(*heads(6, 100), last_rows(6, 100))
    six = {name: float((out - truth).abs().max()) for name, out in ways(6, 100).items()}
    return Finding(
        first_value < 1e-6 and six["flag"] > 0.5 and six["lower_right"] < 1e-5,
        {
            "one_against_first_value": first_value,
            "six_off_by": six["flag"],
            "lower_right": six["lower_right"],
        },
    )


def fused_rounding() -> Finding:
    """Fused against written-out attention: not the same bits, but close."""
    fused, truth = ways(256, 256)["flag"], written_out(*heads(256, 256), last_rows(256, 256))
    difference = float((fused - truth).abs().max())
    return Finding(0 < difference < 1e-4, difference)


def dynamic_on_half() -> dict[str, str]:
    """Dynamic quantization of an fp32 and of an FP16 layer, and the first forward of each."""
    return {"fp32": dynamic(torch.float32), "fp16": dynamic(torch.float16)}


def static_without_observers() -> int:
    """Quantised modules after `convert` where `prepare` was left out."""
    return static_modules(prepared=False)


def fixed_order() -> int:
    """Logits of a batch, every row multiplied by itself, whose bits are not those of the row alone."""
    torch.manual_seed(0)
    model = MiniMind(PRESETS["toy"]).eval()
    ids = torch.randint(model.config.vocab_size, (9, 12))
    with torch.inference_mode():
        together = in_fixed_order(model)(ids)
        alone = torch.cat([model(row) for row in ids.split(1)])
    return int((together != alone).sum())


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
    "Q8-C32": fixed_order,
}
