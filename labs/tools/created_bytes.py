"""How much new memory a computation asks for, counted from what its operations return. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from labs.tools.storages import address, tensors_in


def created_bytes(compute: Callable[[], object]) -> int:
    """Bytes of new memory in what one call computes, its result included; views ask for none.

    What a fused kernel takes and gives back within one operation is not seen.
    """
    with _CreatedBytes() as counter:
        compute()
    return counter.total


class _CreatedBytes(TorchFunctionMode):
    """Adds up the storages of all tensors that the operations in its block return and were not given."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0
        self._seen: set[int] = set()
        self._kept: list[Tensor] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation and look at what came out."""
        inputs = {address(tensor) for tensor in tensors_in((args, kwargs or {}))}
        outputs = func(*args, **(kwargs or {}))
        for tensor in tensors_in(outputs):
            if address(tensor) not in inputs | self._seen:
                self._seen.add(address(tensor))
                self._kept.append(tensor)  # or its address would be given away again
                self.total += tensor.untyped_storage().nbytes()
        return outputs
