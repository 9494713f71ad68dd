"""Recorded runs: `labs/recorded/<experiment>/<device>.json`, real runs at the default parameters.

Runs at other settings, for what few machines can run, are in a folder below named after these.
`python -m labs record` writes all of them; pages show them, marked as recorded, where a device is missing.
A recording holds what a kept run holds (store.py) and also commit, runs, and the spread over the runs:
of `seconds`, and of every number in the result that differs between them, by its dotted path.
"""

from __future__ import annotations

import re
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from labs.contract import Params, jsonable
from labs.contract.registry import ROOT
from labs.runner.job import Job

FOLDER = ROOT / "labs" / "recorded"


def recorded(experiment_id: str, folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Every recording of an experiment, GPUs first, then by device name."""
    records = [_read(path, path.stat().st_mtime_ns) for path in _in_folder(folder / experiment_id)]
    return sorted(records, key=lambda record: (record["device"] == "cpu", record["device_name"]))


def variants(experiment_id: str, folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Every recording of an experiment at settings other than the defaults, in the same order."""
    return [
        record
        for path in sorted((folder / experiment_id).glob("*/"))
        for record in recorded(path.relative_to(folder).as_posix(), folder)
    ]


def paths_of(experiment_id: str, folder: Path = FOLDER) -> list[Path]:
    """The files of all recordings of an experiment, those at the defaults first."""
    below = sorted((folder / experiment_id).glob("*/"))
    return [path for place in (folder / experiment_id, *below) for path in _in_folder(place)]


@lru_cache(maxsize=256)
def _read(path: Path, _changed: int) -> dict[str, Any]:
    """A recording; pages ask for it at every redraw, so it is read once for each time that it changed."""
    data: dict[str, Any] = jsonable.loads(path.read_bytes())
    return data


def record(jobs: Sequence[Job], folder: Path = FOLDER) -> Path:
    """Write the run of median duration among equal done jobs, with the spread over all; returns the file."""
    middle = sorted(jobs, key=lambda job: job.seconds)[len(jobs) // 2]
    assert middle.result is not None and middle.params is not None
    data = {
        "experiment": middle.experiment_id,
        "params": middle.params.to_dict(),
        "device": middle.device,
        "device_name": middle.device_name,
        "dtype": middle.dtype,
        "versions": middle.versions,
        "date": middle.measured_at,
        "commit": _commit(),
        "runs": len(jobs),
        "seconds": middle.seconds,
        "spread": spread([{"seconds": job.seconds, "result": job.result} for job in jobs]),
        "result": middle.result,
    }
    path = folder / middle.experiment_id / variant(middle.params) / f"{slug(middle.device_name)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(jsonable.dumps(data, indent=1) + "\n", encoding="utf-8")
    return path


def variant(params: Params) -> str:
    """The folder for runs at these settings; empty for the defaults.

    >>> from labs.q13_sampling.next_token import NextTokenParams
    >>> variant(NextTokenParams(prompt="Hello", temperature=0.1))  # the temperature is only a view
    'prompt-hello'
    """
    changed = {name: value for name, value in params.changes().items() if name in params.measured()}
    return slug(" ".join(f"{name} {value}" for name, value in changed.items()))


def spread(runs: Sequence[Any]) -> dict[str, list[float]]:
    """Smallest, median and largest of every number that differs between runs, by dotted path.

    >>> spread([{"a": 1.0, "b": 2}, {"a": 3.0, "b": 2}])
    {'a': [1.0, 2.0, 3.0]}
    """
    tables = [dict(_numbers(run)) for run in runs]
    paths = [path for path in tables[0] if all(path in table for table in tables)]
    values = {path: [table[path] for table in tables] for path in paths}
    return {
        path: [min(seen), statistics.median(seen), max(seen)]
        for path, seen in values.items()
        if min(seen) != max(seen)
    }


def slug(device_name: str) -> str:
    """A device's name as a file name.

    >>> slug("NVIDIA H200")
    'nvidia-h200'
    """
    return re.sub(r"[^a-z0-9]+", "-", device_name.lower()).strip("-")


def _in_folder(folder: Path) -> list[Path]:
    """The recordings in a folder, without the data that they are drawn as (`drawn.py`)."""
    return sorted(path for path in folder.glob("*.json") if not path.stem.endswith(".drawn"))


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _numbers(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)


def _commit() -> str:
    """The commit that ran, with a + where files differed from it; empty outside git."""
    try:
        shown = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return shown.stdout.strip()
