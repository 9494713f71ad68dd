"""Which way of decoding is the fastest here, of those that give the same tokens and let nobody wait for long.

| where | what | how |
| --- | --- | --- |
| CPU with AVX-512 and VNNI, weights that int8 holds | anything | one call for a step (`cpu_step.py`) |
| CUDA, one greedy request, Hopper | tokens | one kernel for many of them (`persistent_step.py`) |
| CUDA otherwise | anything | the plain model's kernels as one CUDA graph, recorded in some 30 ms |
| everywhere else | anything | operation by operation |

The compiled step, which is faster than a graph once it is made, is not among them: Dynamo and inductor take
seconds to minutes first. Who looks at hidden states or attention asks the model itself. Runs nothing.
"""

from __future__ import annotations

from minimind_core.decoding.cpu_step import make_cpu_step
from minimind_core.decoding.persistent_step import Plan, plan_for
from minimind_core.decoding.step import Step, StepKind
from minimind_core.model.minimind import MiniMind


def fastest_step(model: MiniMind, batch_size: int, capacity: int) -> Step:
    """A step whose logits somebody looks at.

    On a machine's first call the one call for a CPU is not compiled yet: that begins, and torch steps in.
    """
    kind: StepKind = "graph" if model.device.type == "cuda" else "eager"
    return Step(model, batch_size, capacity, kind, forward=make_cpu_step(model, wait=False))


def has_one_kernel(model: MiniMind, batch_size: int) -> bool:
    """Whether greedy tokens, at whose logits nobody looks, come from one kernel."""
    return batch_size == 1 and isinstance(plan_for(model), Plan)
