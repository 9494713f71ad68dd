"""Where a moved histogram falls in the window of a number format."""

from __future__ import annotations

import pytest
import torch

from labs.tools.magnitudes import counts, histogram
from labs.tools.number_formats import KINDS, shares


@pytest.mark.parametrize("shift", [-12, 0, 5, 18])
def test_a_moved_histogram_says_what_rounding_does(shift: int) -> None:
    """Its shares are those of the numbers really stored in FP16."""
    torch.manual_seed(shift)
    true = torch.exp2(torch.empty(20_000).uniform_(-40, 10)) * torch.randn(20_000).sign()
    stored = counts((true * 2.0**shift).half())
    expected = {kind: number / 20_000 for kind, number in zip(KINDS, stored, strict=True)}
    assert shares(*histogram(true), shift) == pytest.approx(expected, abs=2e-4)


def test_a_histogram_keeps_every_element() -> None:
    bins, zeros = histogram(torch.tensor([0.0, 1.0, -1.0, 1e-45, 1e38]))
    assert zeros == 1 and bins.sum() == 4
    assert shares(bins, zeros, 0, "fp32")["normal"] >= 0.5
    assert set(shares(bins * 0, 0, 0)) == set(KINDS)
