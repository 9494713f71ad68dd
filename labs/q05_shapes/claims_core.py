"""The claims of Question 5 about the real core and about torch, run with random weights. Imports torch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from labs.claims.checks import Check, Finding
from labs.q05_shapes.written_out import flops, given
from minimind_core.model.attention import attend
from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import MiniMind


def fused_agrees() -> Finding:
    """The largest difference between the fused and the written-out attention of our core, by dtype."""
    random = torch.Generator().manual_seed(0)
    drawn = [torch.randn(2, heads, 64, 64, generator=random) for heads in (8, 2, 2)]
    largest = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        queries, keys, values = (tensor.to(dtype) for tensor in drawn)
        fused, written = (attend(queries, keys, values, None, way) for way in ("sdpa", "eager"))
        largest[name] = float((fused - written).abs().max())
    return Finding(0 < largest["fp32"] < 1e-4 and 0 < largest["bf16"] < 2e-2, largest)


@torch.no_grad()
def counted_on_the_fused_path() -> dict[str, int]:
    """What torch's counter reports for the example on the CPU, and how much it is short of the formula."""
    batch, tokens = given("batch"), given("tokens")
    model = MiniMind(ModelConfig()).eval().use_attention("sdpa")
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(batch, tokens, dtype=torch.int64))
    counted = int(counter.get_total_flops())
    return {"counted": counted, "missing": flops(batch, tokens) - counted}


def trained_through_two_softmaxes() -> dict[str, int | bool]:
    """Rows whose most frequent target comes out on top, in percent, and whether its probability is too high.

    A table of logits, one row a context, learns from draws of which three in five are the row's own target.
    """
    rows, frequent = 8, 0.6
    right, confidence = {}, {}
    for name, learner in (("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)):
        random = torch.Generator().manual_seed(0)
        table = (0.02 * torch.randn(rows, given("vocab"), generator=random)).requires_grad_()
        target = torch.randint(given("vocab"), (rows,), generator=random)
        optimizer = learner([table], lr=0.05)
        for _ in range(200):
            other = torch.randint(given("vocab"), (rows,), generator=random)
            drawn = torch.where(torch.rand(rows, generator=random) < frequent, target, other)
            optimizer.zero_grad()
            F.cross_entropy(table.softmax(-1), drawn).backward()
            optimizer.step()
        probability, top = table.detach().softmax(-1).max(-1)
        right[name] = round(100 * float((top == target).float().mean()))
        confidence[name] = float(probability.mean())
    return {
        "adamw_right": right["adamw"],
        "sgd_right": right["sgd"],
        "overconfident": confidence["adamw"] > 1.5 * frequent,
    }


CHECKS: dict[str, Check] = {
    "Q5-C13": fused_agrees,
    "Q5-C15": counted_on_the_fused_path,
    "Q5-C27": trained_through_two_softmaxes,
}
