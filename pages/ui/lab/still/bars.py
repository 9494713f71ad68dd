"""Where the bars of a painted figure stand, as plotly groups, stacks or overlays them. Draws nothing."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_GAP = 0.25
"""Share of the distance between two places that no bar fills."""


@dataclass(frozen=True)
class Bar:
    """One bar: where along the axis of places and how thick, in coordinates; from and to which values."""

    trace: int
    index: int
    place: float
    width: float
    start: float
    end: float


def is_flat(trace: Mapping[str, Any]) -> bool:
    """Whether its bars lie."""
    return trace.get("orientation") == "h"


def bars_of(figure: Mapping[str, Any], place_of: Callable[[Any], float | None]) -> list[Bar]:
    """All bars of a figure; `place_of` turns a value on the axis of places into its coordinate."""
    mode = figure["layout"].get("barmode", "group")
    traces = [(index, trace) for index, trace in enumerate(figure["data"]) if trace["type"] == "bar"]
    places = {index: [place_of(value) for value in _along(trace)] for index, trace in traces}
    apart = _least_distance([place for found in places.values() for place in found if place is not None])
    room = apart * (1 - float(figure["layout"].get("bargap", _GAP)))
    slots = _slots(traces, places) if mode == "group" else {}
    tops: dict[tuple[float, bool], float] = defaultdict(float)
    found = []
    for index, trace in traces:
        slot, of = slots.get(index, (0, 1))
        bases = _each(trace.get("base"), len(places[index]))
        for number, (place, length) in enumerate(zip(places[index], _lengths(trace), strict=True)):
            if place is None or length is None:
                continue
            width = trace.get("width") or room / of
            start = float(bases[number] or 0.0)
            if mode == "stack" and "base" not in trace:
                start = tops[place, length < 0]
                tops[place, length < 0] += length
            centre = place + (slot - (of - 1) / 2) * room / of
            found.append(Bar(index, number, centre, float(width), start, start + length))
    return found


def _along(trace: Mapping[str, Any]) -> Sequence[Any]:
    values: Sequence[Any] = trace["y" if is_flat(trace) else "x"]
    return values


def _lengths(trace: Mapping[str, Any]) -> Sequence[Any]:
    values: Sequence[Any] = trace["x" if is_flat(trace) else "y"]
    return values


def _each(value: Any, count: int) -> list[Any]:
    return list(value) if isinstance(value, list) else [value] * count


def _least_distance(places: Sequence[float]) -> float:
    """Between two places that differ; 1 where there is one."""
    known = sorted(set(places))
    return min((after - before for before, after in itertools.pairwise(known)), default=1.0)


def _slots(
    traces: Sequence[tuple[int, Mapping[str, Any]]], places: Mapping[int, Sequence[float | None]]
) -> dict[int, tuple[int, int]]:
    """Beside which others the bars of a trace stand: its number and how many there are.

    Traces of one `offsetgroup` share a number, and those that meet no other have all the room.
    """
    groups: dict[str, list[int]] = {}
    for index, trace in traces:
        groups.setdefault(str(trace.get("offsetgroup", f"trace {index}")), []).append(index)
    taken = [{place for index in members for place in places[index]} for members in groups.values()]
    meet = sum(map(len, taken)) > len(set().union(*taken))
    of = len(groups) if meet else 1
    return {
        index: (number if meet else 0, of)
        for number, members in enumerate(groups.values())
        for index in members
    }
