"""A field for the shapes of several tensors: blank boxes that a reader fills in before they are revealed.

    drawing: str = blank_shapes(("queries", "scores"), reveal="reveal", view=True)

The value is one text, "[2,8,5,64] [?]", so that it fits an address and a command line. What can be chosen for
each box under the other settings is said by `Params.offered`. The view of a result says what is right by box
under "answers", and under "reasons" the key of the words for what is wrong with a box that was filled in;
both are empty until `reveal` is switched on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labs.contract.fields import Text, field_of

Shape = list[int]
_GROUP = re.compile(r"\[([^\[\]]*)\]|\(([^()]*)\)")
_DIGITS = re.compile(r"\d{1,9}")
_BLANK = "[?]"


@dataclass(frozen=True, kw_only=True)
class Shapes(Text):
    """Shapes by box. The text under `<label>.<box>` in the catalogue is what a box is called."""

    boxes: tuple[str, ...]
    reveal: str
    """The switch that shows what is right; it stands below the boxes."""


def blank_shapes(boxes: Sequence[str], *, reveal: str, max_length: int = 400, **options: Any) -> Any:
    """A field for a shape of each of `boxes`, all blank at first; `options` are those of `Field`."""
    return field_of(Shapes(default="", boxes=tuple(boxes), reveal=reveal, max_length=max_length, **options))


def read_shapes(written: str, boxes: Sequence[str]) -> dict[str, Shape]:
    """The shapes by box: in brackets or between semicolons, in the order of the boxes.

    What holds no number, such as [?], leaves its box blank; what comes after the last box is not read.

    >>> read_shapes("[2,5,512] [?] (2, 8)", ("embedding", "queries", "scores"))
    {'embedding': [2, 5, 512], 'scores': [2, 8]}
    """
    groups = [one or other for one, other in _GROUP.findall(written)] or re.split(r"[;；\n]", written)
    return {box: shape for box, shape in zip(boxes, map(read_shape, groups), strict=False) if shape}


def read_shape(written: str) -> Shape:
    """All numbers of a text.

    >>> read_shape("2 x 5 x 512")
    [2, 5, 512]
    """
    return [int(digits) for digits in _DIGITS.findall(written)]


def write_shapes(filled: Mapping[str, Shape], boxes: Sequence[str]) -> str:
    """The text that `read_shapes` reads back; nothing where all boxes are blank.

    >>> write_shapes({"queries": [2, 8]}, ("embedding", "queries", "scores"))
    '[?] [2,8]'
    """
    last = max((place for place, box in enumerate(boxes, 1) if filled.get(box)), default=0)
    return " ".join(write_shape(filled[box]) if filled.get(box) else _BLANK for box in boxes[:last])


def write_shape(shape: Shape) -> str:
    """One shape without spaces, as an address holds it.

    >>> write_shape([2, 5, 512])
    '[2,5,512]'
    """
    return f"[{','.join(map(str, shape))}]"
