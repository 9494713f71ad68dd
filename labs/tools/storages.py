"""The memory that tensors stand on: which of several share it, and where it begins. Imports torch."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def address(tensor: Tensor) -> int:
    """The address of its storage; the same for a tensor and its views."""
    return tensor.untyped_storage().data_ptr()


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors among what an operation was given or returned, in lists, tuples and dictionaries too."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return (
        [tensor for item in value for tensor in tensors_in(item)] if isinstance(value, list | tuple) else []
    )
