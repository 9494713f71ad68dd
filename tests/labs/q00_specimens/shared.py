"""What the specimens share: nothing to choose, a short estimate, and results that are not kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from labs.contract import DeviceClass, Params

Anything = dict[str, Any]


@dataclass(frozen=True)
class NoParams(Params):
    """Nothing to choose."""


class Soon:
    """Estimates a fifth of a second, whatever becomes of the run, which is not kept."""

    keep: ClassVar[bool] = False

    def seconds(self, params: Params, device: DeviceClass) -> float:
        return 0.1 if device == "cuda" else 0.2
