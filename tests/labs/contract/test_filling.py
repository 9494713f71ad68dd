"""Numbers in the words of a lab and at its bars: never 1e+03, on no way to the reader."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.contract.drawing import Figure
from labs.contract.filling import fill, without_e
from labs.contract.registry import words_of
from pages.ui.words.markdown import Filled, filled, filled_plainly

TEMPLATE = "{value:.2g} ms"
PYTHON = re.compile(r"\de[+-]?\d")


@given(st.floats(-1e300, 1e300), st.sampled_from([".2g", ".3g", "g", "", ",.4g"]))
def test_a_number_is_written_without_an_e_and_keeps_its_size(value: float, spec: str) -> None:
    written = without_e(format(value, spec))
    assert not PYTHON.search(written)
    mantissa, _, power = written.replace(",", "").partition(" × 10")
    digits = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    read = float(f"{mantissa}e{power.translate(digits) or 0}")
    assert read == pytest.approx(value, rel=0.06)


@pytest.mark.parametrize("value", [1234.0, np.float64(1234), 1200])
def test_every_way_to_the_reader_writes_a_large_number_out(value: float) -> None:
    ways = [
        words_of("q00", {"q00.wait": TEMPLATE})("wait", value=value),
        str(filled(TEMPLATE, {"value": value})),
        filled_plainly(TEMPLATE, {"value": value}),
        str(Filled(TEMPLATE, {"value": value})),
        Filled(TEMPLATE, {"value": value}).markdown,
        fill(TEMPLATE, {"value": value}),
    ]
    assert set(ways) == {"1,200 ms"}
    figure = Figure()
    figure.bars(["a"], [value], "measured", labels="{:.2g}×")
    assert figure.data[0]["text"] == ["1,200×"]
