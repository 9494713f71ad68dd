"""A function on the GPU recorded once and launched as a whole: the only place that captures a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

WARM_UP_CALLS = 3
Result = TypeVar("Result")


class CudaGraph(Generic[Result]):
    """`function` as one CUDA graph; calling it replays every kernel and returns the same tensors again.

    The function takes no arguments, reads and writes tensors of fixed address only, never looks at a value
    on the host, and is run without autograd. `state` are the tensors that it changes and reads again: the
    calls that warm up and record leave them as they were. The function is kept as long as the graph: what
    it closes over is the memory that the recorded kernels read.
    """

    @torch.inference_mode()
    def __init__(self, function: Callable[[], Result], state: Sequence[Tensor] = ()) -> None:
        self.function = function
        before = [tensor.clone() for tensor in state]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # kernels are compiled and workspaces taken outside the recording
            for _ in range(WARM_UP_CALLS):
                function()
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.result = function()
        for tensor, saved in zip(state, before, strict=True):
            tensor.copy_(saved)

    def __call__(self) -> Result:
        """Launch the recorded kernels; does not wait for them."""
        self.graph.replay()
        return self.result
