"""An outside tool tells the same of a service as our load client, within five percent."""

from __future__ import annotations

import shutil

import pytest

from tests.serving.load.against_wrk import compare, ratios


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed: apt-get install wrk")
def test_our_closed_loop_agrees_with_wrk_within_five_percent() -> None:
    """Medians of rounds in turn. The service and both clients want a core that nobody else takes."""
    found = ratios(compare(connections=2, seconds=15, rounds=4))
    for measure in ("rate", "mean_ms", "p50_ms"):
        assert abs(found[measure]["median"] - 1) <= 0.05, found
