"""Tokens on their way from the device to the host, so that the device need not wait while they are read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor


class HostCopy:
    """The numbers of a tensor as they are now; the device may overwrite its own."""

    def __init__(self, tensor: Tensor) -> None:
        self._landed = torch.cuda.Event() if tensor.device.type == "cuda" else None
        if self._landed is None:
            self._copy = tensor.to("cpu", copy=True)
        else:
            self._copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._copy.copy_(tensor, non_blocking=True)
            self._landed.record()

    def wait(self) -> list[Any]:
        """The numbers as (nested) lists, once they are there."""
        if self._landed is not None:
            self._landed.synchronize()
        return self._copy.tolist()


def as_lists(tensors: Iterable[Tensor], ahead: int) -> Iterator[list[Any]]:
    """Each tensor as lists; `ahead` more are asked for before the host waits for one.

    The first is given as soon as it is there: somebody waits for it.
    """
    under_way: deque[HostCopy] = deque()
    for index, tensor in enumerate(tensors):
        under_way.append(HostCopy(tensor))
        if index == 0 or len(under_way) > ahead:
            yield under_way.popleft().wait()
    while under_way:
        yield under_way.popleft().wait()
