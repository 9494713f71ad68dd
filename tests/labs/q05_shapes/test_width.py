"""The rule for the feed-forward width, against counting up to the next multiple."""

from __future__ import annotations

import pytest

from labs.contract import Words
from labs.q05_shapes import claims
from labs.q05_shapes.width import IN_USE, Width, WidthParams


@pytest.mark.parametrize("hidden", [64, 192, 512, 768, 1024, 8192])
def test_the_width_is_the_next_multiple_and_says_so(hidden: int, text: Words) -> None:
    experiment, params = Width(), WidthParams(hidden=hidden)
    result = experiment.complete(params, experiment.formula(params))
    view = result["view"]
    assert view["plain"] == 8 * hidden // 3
    assert view["rounded"] == next(width for width in range(64, 10**6, 64) if width >= view["plain"])
    assert view["added_weights"] == 24 * hidden * (view["rounded"] - view["plain"])
    shown = experiment.show(result, text)
    assert f"{view['plain']:,}" in shown.notes[0] and len(shown.rows) == len(IN_USE)
    (bars,) = shown.figures["added"].data
    assert bars["x"][bars["marker"]["opacity"].index(1.0)] == str(hidden)


def test_ours_is_that_of_the_claims() -> None:
    view = Width().view(WidthParams(), {"model": None})
    assert view["rounded"] == claims.shape("inner")[-1] == 1408
    assert view["added_weights"] == 528_384  # what the usual drawing lacks, Q5-C7
