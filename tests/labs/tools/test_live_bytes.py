"""The peak of live tensors: by exact arithmetic, and against torch's own tracker over a backward pass."""

from __future__ import annotations

import torch
from torch.distributed._tools.mem_tracker import MemTracker

from labs.tools.live_bytes import peak_bytes

CPU = torch.device("cpu")
MEBI = 1 << 18
"""Elements of FP32 in a mebibyte."""


def test_what_is_freed_makes_room() -> None:
    def two_at_once() -> None:
        x = torch.zeros(MEBI)
        for _ in range(5):
            x = x + 1

    def three_at_once() -> None:
        a = torch.zeros(MEBI)
        b, c = a + 1, a.view(-1, 2)  # a view asks for nothing
        a.add_(1)  # nor does work in place
        del b
        d, e = c + 1, c + 2
        del d, e

    assert peak_bytes(two_at_once, CPU) == 2 << 20
    assert peak_bytes(three_at_once, CPU) == 3 << 20


def test_it_agrees_with_torch_s_own_tracker() -> None:
    weight = torch.randn(64, 64, requires_grad=True)

    def train() -> None:
        x = torch.randn(32, 64)
        for _ in range(4):
            x = torch.nn.functional.silu(x @ weight)
        x.sum().backward()

    ours = peak_bytes(train, CPU)
    weight.grad = None
    tracker = MemTracker()
    with tracker:
        train()
    theirs = tracker.get_tracker_snapshot("peak")[CPU]["Total"]
    assert ours == theirs - weight.nbytes, "theirs counts the weight too"
