"""A gradient beside that of the big batch. Imports torch where one is compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from torch import Tensor

Ratio = float | None
"""None where a gradient is NaN, or where only a run can tell."""


class AgainstBigBatch(TypedDict):
    """|g - r| / |r|, cosine and |g| / |r| of a gradient g and the big batch's, r; None where g is NaN."""

    relative_error: Ratio
    cosine: Ratio
    norm_ratio: Ratio


def against(gradient: Sequence[Tensor], true: Sequence[Tensor]) -> AgainstBigBatch:
    """Both as whole vectors, tensor by tensor in the same order."""
    from labs.q09_accumulation.window_gradients import cosine
    from labs.tools.gradients import norm, relative_error

    return {
        "relative_error": _finite(relative_error(gradient, true)),
        "cosine": _finite(cosine(gradient, true)),
        "norm_ratio": _finite(norm(gradient) / norm(true)),
    }


def _finite(value: float) -> Ratio:
    return value if math.isfinite(value) else None
