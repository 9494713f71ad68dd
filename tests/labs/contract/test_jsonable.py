"""Results survive the way through JSON, bit for bit."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from labs.contract import jsonable

_SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)


@given(hnp.arrays(st.sampled_from([np.float32, np.int32]), _SHAPES))
def test_arrays_come_back_bit_for_bit(array: np.ndarray) -> None:
    back = jsonable.loads(jsonable.dumps({"a": array}))["a"]
    assert back.dtype == array.dtype and back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_text_is_plain_json_even_with_nan_and_infinity() -> None:
    text = jsonable.dumps({"x": [math.nan, math.inf, -math.inf, 1.5], "词": "温度", "n": np.float32(0.5)})
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert "温度" in text
    back = jsonable.loads(text)
    assert math.isnan(back["x"][0]) and back["x"][1:] == [math.inf, -math.inf, 1.5] and back["n"] == 0.5


def test_what_has_no_json_form_is_a_programmers_error() -> None:
    for value in (np.zeros(2), {1, 2}, object()):
        with pytest.raises(AssertionError):
            jsonable.encode({"x": value})
