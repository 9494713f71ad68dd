"""A drawing as a field: what is filled into its boxes comes back from the text that an address holds."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.contract import ParamError, Params, switch
from labs.contract.shapes import blank_shapes, read_shapes, write_shapes

BOXES = ("ids", "queries", "scores", "logits")
SHAPES = st.lists(st.integers(0, 10**9 - 1), min_size=1, max_size=4)


@dataclass(frozen=True)
class Drawn(Params):
    drawing: str = blank_shapes(BOXES, reveal="reveal", max_length=40, view=True)
    reveal: bool = switch(False, view=True)


@given(st.dictionaries(st.sampled_from(BOXES), SHAPES))
def test_what_is_filled_in_comes_back(filled: dict[str, list[int]]) -> None:
    written = write_shapes(filled, BOXES)
    assert read_shapes(written, BOXES) == filled
    assert written == write_shapes(read_shapes(written, BOXES), BOXES)


def test_a_box_made_blank_is_as_one_never_filled_in() -> None:
    assert write_shapes({"ids": [2, 5], "logits": []}, BOXES) == "[2,5]"
    assert write_shapes({"ids": []}, BOXES) == "" == write_shapes({}, BOXES)


@given(st.text(max_size=200))
def test_nothing_that_is_typed_is_an_error(written: str) -> None:
    assert set(read_shapes(written, BOXES)) <= set(BOXES)


def test_all_boxes_are_blank_at_first_and_a_text_has_its_limit() -> None:
    assert Drawn().drawing == ""
    assert Drawn.from_dict({"drawing": "[2,5]"}).drawing == "[2,5]"
    with pytest.raises(ParamError, match="the most is 40"):
        Drawn(drawing="[2,5]" * 9)
