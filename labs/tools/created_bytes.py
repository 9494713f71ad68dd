"""How much new memory a computation asks for, counted from what its operations return. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode


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
        inputs = {_address(tensor) for tensor in _tensors((args, kwargs or {}))}
        outputs = func(*args, **(kwargs or {}))
        for tensor in _tensors(outputs):
            if _address(tensor) not in inputs | self._seen:
                self._seen.add(_address(tensor))
                self._kept.append(tensor)  # or its address would be given away again
                self.total += tensor.untyped_storage().nbytes()
        return outputs


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [tensor for item in value for tensor in _tensors(item)] if isinstance(value, list | tuple) else []


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
