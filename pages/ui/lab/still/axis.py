"""One axis of a still plot: where a value stands along it, and its ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labs.contract.filling import raised
from questions.values import MINUS

_ROOM = 0.05
"""Share of the data's span that is left free on either side."""
_STEPS = (1, 2, 2.5, 5, 10)
_LETTERS = ("", "k", "M", "G", "T")
"""Of thousands, as plotly writes them."""
Span = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """From coordinates, logarithms on a logarithmic axis and indices of categories, to pixels."""

    kind: str
    span: Span
    """The coordinates at both ends; the second is the smaller one on an axis that runs backwards."""
    ticks: tuple[tuple[float, str], ...]
    """Coordinate and text."""
    categories: Mapping[str, int]
    title: str = ""
    hidden: bool = False
    ends: Span = (0.0, 1.0)
    """Pixels of both ends."""

    def between(self, start: float, end: float) -> Axis:
        """The same axis between two pixels."""
        return replace(self, ends=(start, end))

    def coordinate(self, value: Any) -> float | None:
        """Of a value of the data; None for one that has no place."""
        return _coordinate(self.kind, self.categories, value)

    def pixel(self, coordinate: float) -> float:
        """Where a coordinate stands."""
        (low, high), (start, end) = self.span, self.ends
        return start + (coordinate - low) / ((high - low) or 1.0) * (end - start)

    def at(self, value: Any) -> float | None:
        """Where a value of the data stands; None for one that has no place."""
        coordinate = self.coordinate(value)
        return None if coordinate is None else self.pixel(coordinate)

    def seen(self, coordinate: float) -> bool:
        """Whether it is within the span."""
        low, high = sorted(self.span)
        slack = 1e-9 * (high - low)
        return low - slack <= coordinate <= high + slack


def kind_of(settings: Mapping[str, Any], values: Iterable[Any]) -> str:
    """Linear unless the settings say otherwise or the values are texts."""
    if "type" in settings:
        return str(settings["type"])
    return "category" if any(isinstance(value, str) for value in values) else "linear"


def axis_of(
    settings: Mapping[str, Any],
    values: Sequence[Any],
    extra: Iterable[float] = (),
    *,
    from_zero: bool = False,
) -> Axis:
    """The axis of a figure's layout for values of the data and further coordinates, such as edges of bars.

    `from_zero`: bars grow along it.
    """
    kind = kind_of(settings, values)
    names = dict.fromkeys(str(value) for value in values if value is not None) if kind == "category" else {}
    categories = {name: index for index, name in enumerate(names)}
    found = [_coordinate(kind, categories, value) for value in values]
    known = [*(each for each in found if each is not None), *extra]
    from_zero = from_zero or settings.get("rangemode") == "tozero"
    span = _span(settings, kind, known, len(categories), from_zero=from_zero and kind == "linear")
    return Axis(
        kind,
        span,
        tuple(_ticks(settings, kind, span, categories)),
        categories,
        settings.get("title", {}).get("text", ""),
        settings.get("visible") is False,
    )


def _coordinate(kind: str, categories: Mapping[str, int], value: Any) -> float | None:
    if kind == "category":
        index = categories.get(str(value))
        return float(index) if index is not None else None
    if value is None or isinstance(value, str):
        return None
    if kind == "log":
        return math.log10(value) if value > 0 else None
    return float(value)


def _span(
    settings: Mapping[str, Any], kind: str, known: Sequence[float], count: int, *, from_zero: bool
) -> Span:
    backwards = settings.get("autorange") == "reversed"
    if "range" in settings:
        low, high = map(float, settings["range"])
    elif kind == "category":
        low, high = -0.5, max(count, 1) - 0.5
    else:
        also = [0.0] if from_zero else []
        low, high = min([*known, *also], default=0.0), max([*known, *also], default=1.0)
        room = _ROOM * (high - low) or 0.5
        low, high = (low if from_zero and low == 0 else low - room), high + room
    return (high, low) if backwards else (low, high)


def _ticks(
    settings: Mapping[str, Any], kind: str, span: Span, categories: Mapping[str, int]
) -> Iterable[tuple[float, str]]:
    if "tickvals" in settings:
        values = settings["tickvals"]
        texts = settings.get("ticktext") or [_written(settings, value) for value in values]
        places = [_coordinate(kind, categories, value) for value in values]
        return [(place, text) for place, text in zip(places, texts, strict=True) if place is not None]
    if kind == "category":
        return [(float(index), name) for name, index in categories.items()]
    if kind == "log":
        return [(float(power), _power(power)) for power in _whole(*sorted(span))]
    step = float(settings.get("dtick") or _step(*sorted(span)))
    numbers = range(math.ceil(min(span) / step - 1e-9), math.floor(max(span) / step + 1e-9) + 1)
    return [(number * step, _written(settings, number * step, step)) for number in numbers]


def _step(low: float, high: float) -> float:
    """A round step that makes five or six of the span."""
    rough = (high - low) / 6 or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))


def _whole(low: float, high: float) -> range:
    every = max(1, round((high - low) / 8))
    start = math.ceil(low - 1e-9)
    return range(start + -start % every, math.floor(high + 1e-9) + 1, every)


def _power(power: int) -> str:
    """A power of ten: with the letter of its thousands, or raised.

    >>> _power(4), _power(-2), _power(0)
    ('10k', '10⁻²', '1')
    """
    thousands, rest = divmod(power, 3)
    return f"{10**rest}{_LETTERS[thousands]}" if 0 <= thousands < len(_LETTERS) else f"10{raised(power)}"


def _written(settings: Mapping[str, Any], value: float, step: float = 0.0) -> str:
    ask = str(settings.get("tickformat", ""))
    if ask.endswith("%"):
        text = format(value, ask)
    else:
        digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step else 0
        digits += step > 0 and round(step, digits) != round(step, 12)
        text = f"{value:,.{digits}f}" if step else f"{value:,.10g}"
    return (text + str(settings.get("ticksuffix", ""))).replace("-", MINUS)
