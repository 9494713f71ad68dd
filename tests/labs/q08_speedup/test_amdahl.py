"""Gains that act on shares: never their product, and never beyond the limits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q08_speedup.amdahl import Amdahl, AmdahlParams, total
from labs.q08_speedup.claims import amdahl
from tests.labs.one_lab import Show

GAIN = st.floats(1, 100)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 0.99), GAIN, GAIN)
def test_together_is_below_the_product_and_the_limits(share: float, launch: float, arithmetic: float) -> None:
    together = total(share, launch, arithmetic)
    assert together * (1 + 1e-9) >= 1 and together <= launch * arithmetic * (1 + 1e-9)
    assert total(share, 1, arithmetic) <= 1 / share and total(share, launch, 1) <= 1 / (1 - share)
    assert min(launch, arithmetic) * (1 - 1e-9) <= together <= max(launch, arithmetic) * (1 + 1e-9)


def test_the_view_is_that_of_the_claim(show: Show) -> None:
    lab, params = Amdahl(), AmdahlParams()
    result = lab.complete(params, lab.formula(params))
    view = result["view"]
    assert view["limits"]["arithmetic"] == pytest.approx(amdahl()["arithmetic_free"])
    assert view["limits"]["launch"] == pytest.approx(amdahl()["launches_free"])
    assert view["together"] == pytest.approx(1 / (0.9 / 10 + 0.1 / 2)) and view["product"] == 20
    assert "7.14 times faster; their product promises 20" in show("amdahl", result).notes[0]


def test_a_step_of_launches_alone_has_no_limit() -> None:
    lab, params = Amdahl(), AmdahlParams(launch_share=1.0)
    view = lab.complete(params, lab.formula(params))["view"]
    assert view["limits"] == {"arithmetic": 1, "launch": None} and view["together"] == 10
