"""Which cells a grid has, and how its parts come together into a result, whole or so far. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from labs.contract.columns import DeviceClass, Result
from labs.q13_sampling.params import GridParams
from labs.q13_sampling.presets import presets

TEMPERATURES = {
    "small": (0.2, 0.3, 0.5, 0.8, 0.9, 1.2),
    "full": (0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5),
}
TOP_PS = {"small": (0.85, 0.9, 0.95, 1.0), "full": (0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)}
"""Every recommended setting is a cell of its own."""
AUTO: dict[DeviceClass, tuple[str, int]] = {"cpu": ("small", 8), "cuda": ("full", 32)}
"""Size and texts a cell where the person leaves it to the device."""
KINDS = ("python", "prose")


def size(params: GridParams, device: DeviceClass) -> str:
    """ "small" or "full"."""
    return AUTO[device][0] if params.size == "auto" else params.size


def num_samples(params: GridParams, device: DeviceClass) -> int:
    """Texts of each kind in a cell."""
    return params.samples or AUTO[device][1]


def cells(params: GridParams, device: DeviceClass) -> list[tuple[float, float]]:
    """(temperature, top-p) of every cell."""
    name = size(params, device)
    return [(temperature, top_p) for temperature in TEMPERATURES[name] for top_p in TOP_PS[name]]


def seconds(params: GridParams, device: DeviceClass) -> float:
    """An estimate: a CPU writes some 450 tokens a second, a GPU a thousand rows at once."""
    rows = len(cells(params, device)) * num_samples(params, device) * len(KINDS)
    if device == "cuda":
        return 2 + -(-rows // 1024) * params.max_new_tokens * 0.03
    return rows * (0.02 + 0.0022 * params.max_new_tokens)


def together(told: Iterable[Mapping[str, Any]]) -> Result:
    """The cells as they are told, kind by kind: `cells` in order, and the same `presets` by task.

    A cell is {"temperature", "top_p", "python": {"valid", "repetition", "distinct", "first"}, "prose":
    {the same without "valid"}}; a kind that was not written yet is missing.
    """
    found: dict[tuple[float, float], dict[str, Any]] = {}
    for each in told:
        where = (each["temperature"], each["top_p"])
        cell = found.setdefault(where, {"temperature": where[0], "top_p": where[1]})
        cell[each["kind"]] = {
            name: value for name, value in each.items() if name not in ("kind", "temperature", "top_p")
        }
    marked = {task: found[place] for task, place in presets().items() if place in found}
    return {"cells": list(found.values()), "presets": marked}


def axes(result: Result) -> tuple[Sequence[float], Sequence[float]]:
    """The temperatures and the top-p that a result has so far, ascending."""
    return (
        sorted({cell["temperature"] for cell in result["cells"]}),
        sorted({cell["top_p"] for cell in result["cells"]}),
    )
