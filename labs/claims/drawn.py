"""What a reader sees of a recorded run, as data beside the recording: `<device>.drawn.json`.

A wrong curve, table or note differs from this data, which somebody has read, and fails a test; an intended
change is drawn anew by `python -m labs record NAME --drawn` and read in the difference.
`formula.drawn.json` is what the formula alone draws at the defaults, where the experiment has that. Words are
English; looks are the page's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labs.claims.recordings import FOLDER, paths_of
from labs.contract import Experiment, jsonable
from labs.contract.drawing import Figure
from labs.contract.registry import Registry, words_of
from minimind_core.atomic_file import write_whole

SUFFIX = ".drawn.json"
DIGITS = 6
"""Significant digits: more than anybody sees, fewer than machines differ by."""
_AREAS = ("labels", "parents", "values")
_MARKS = ("text", "customdata", "error_x", "error_y", "showlegend")
_TRACE = ("name", "type", "mode", "x", "y", "z", *_AREAS, *_MARKS)
_AXIS = ("type", "range", "tickvals", "ticktext", "visible", "autorange")
_NOTE = ("x", "y", "text")


def drawings(
    registry: Registry, experiment: Experiment[Any, Any], folder: Path = FOLDER
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """For every recording of the experiment and for its formula: where its data lies, what is drawn now."""
    text = words_of(experiment.lab, registry.strings("en"))
    for path in paths_of(experiment.id, folder):
        record = jsonable.loads(path.read_bytes())
        params = experiment.params.from_dict(record["params"])
        result = experiment.complete(params, record["result"])
        yield path.with_name(path.stem + SUFFIX), _seen(experiment.show(result, text))
    if experiment.drawn_by_formula:
        params = experiment.params()
        result = experiment.complete(params, experiment.formula(params))
        yield folder / experiment.id / f"formula{SUFFIX}", _seen(experiment.show(result, text))


def keep_drawings(registry: Registry, experiment: Experiment[Any, Any], folder: Path = FOLDER) -> list[Path]:
    """Write what is drawn now beside the recordings; returns the files."""
    written = []
    for path, seen in drawings(registry, experiment, folder):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, dumps(seen) + "\n")
        written.append(path)
    return written


def dumps(value: Any, indent: str = "") -> str:
    """JSON that can be read in a difference: a list without tables in it stands on one line."""
    inner = indent + " "
    if isinstance(value, dict) and value:
        items = [f"{inner}{json.dumps(name)}: {dumps(item, inner)}" for name, item in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return "[\n" + ",\n".join(inner + dumps(item, inner) for item in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)


def _seen(shown: Any) -> dict[str, Any]:
    data = asdict(shown) | {"figures": {name: _figure(figure) for name, figure in shown.figures.items()}}
    return {name: _rounded(part) for name, part in data.items() if part}


def _figure(figure: Figure) -> dict[str, Any]:
    axes = {name: _axis(figure.layout.get(name, {})) for name in ("xaxis", "yaxis")}
    notes = [_only(_NOTE, note) for note in figure.layout.get("annotations", [])]
    frames = {frame["name"]: frame["data"] for frame in figure.frames[:: max(1, len(figure.frames) - 1)]}
    traces = [{**_meaning(trace.get("meta", {})), **_only(_TRACE, trace)} for trace in figure.data]
    return {
        "traces": traces,
        "axes": axes,
        **({"notes": notes} if notes else {}),
        **({"first and last frame": frames} if frames else {}),
    }


def _meaning(meta: dict[str, Any]) -> dict[str, Any]:
    return {"role": meta.get("role"), **_only(("roles",), meta)}


def _axis(axis: dict[str, Any]) -> dict[str, Any]:
    title = axis.get("title", {}).get("text")
    return {**({"title": title} if title else {}), **_only(_AXIS, axis)}


def _only(names: tuple[str, ...], table: dict[str, Any]) -> dict[str, Any]:
    return {name: table[name] for name in names if name in table}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
