"""What a run of Question 6 has so far, in the shape of its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labs.contract.columns import Result
from labs.q06_gqa.params import SeedsParams
from labs.tools.seeds.telling import so_far


def seeds(params: SeedsParams, partials: Sequence[Mapping[str, Any]]) -> Result:
    """Losses of the models that are finished, by kind."""
    return {"loss": so_far(partials, "loss"), "seeds": params.seeds}
