"""Half a minute of the soak that `make soak` does for half an hour, and what its verdict hangs on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from serving.soak.crowd import Tally
from serving.soak.memory import Memory
from serving.soak.soak import _report
from serving.soak.visitors import SHARES
from tests.minimind_core.checkpoint_samples import TINY, save_tiny

ROOT = Path(__file__).resolve().parents[3]
RESIDENT = "process_resident_memory_bytes"
WELL = Tally(Counter(stream=3), Counter(), [0.1, 0.2, 0.3], 1.0)


def soaked(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    save_tiny(folder, config=TINY.replace(max_length=512))
    command = [sys.executable, "-m", "serving", "soak", "--model", str(folder), "--device", "cpu", "--json"]
    done = subprocess.run([*command, "--tokens", "8", *options], cwd=ROOT, capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout)


def test_half_a_minute_of_mixed_load_is_served_right_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """At half of what it can: a machine that others use too may have slowed down since that was found."""
    code, report = soaked(tmp_path / "tiny", "--minutes", "0.5", "--share", "0.5")
    assert code == 0 and report["held"], report
    assert report["faults"] == report["left"] == {} and report["exit_code"] == 0
    assert set(report["kinds"]) == set(SHARES) and report["visits"] == sum(report["kinds"].values())
    assert abs(report["memory"]["resident"]["percent"]) < 5 and report["capacity"] > 0


def test_a_service_that_does_not_start_is_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "serving", "soak", "--model", str(tmp_path / "nothing"), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "did not start" in json.loads(done.stdout)["error"]


def grown(percent: float) -> dict[str, Any]:
    return {"resident": {"begin": 1.0, "end": 1 + percent / 100, "most": 2.0, "percent": percent}}


@pytest.mark.parametrize(
    "tally, memory, left, exit_code, broken",
    [
        (WELL, grown(4.9), {}, 0, []),
        (WELL, grown(-50.0), {}, 0, []),
        (WELL, grown(5.1), {}, 0, ["memory grew"]),
        (WELL, {}, {}, 0, ["memory was not seen"]),
        (WELL, grown(0.0), {"minimind_in_flight": 1.0}, 0, ["something was left behind"]),
        (WELL, grown(0.0), {}, -9, ["it did not drain"]),
        (
            WELL + Tally(faults=Counter({"chat: http 500": 1})),
            grown(0.0),
            {},
            0,
            ["a visitor was served wrong"],
        ),
        (Tally(), grown(0.0), {}, 0, ["no visitor came"]),
    ],
)
def test_each_thing_that_does_not_hold_is_named(
    tally: Tally, memory: Any, left: dict[str, float], exit_code: int, broken: list[str]
) -> None:
    report = _report(tally, 10.0, 60.0, memory, left, exit_code)
    assert report["broken"] == broken and report["held"] == (not broken)


def test_growth_is_from_after_the_warm_up_to_the_end() -> None:
    memory = Memory("http://127.0.0.1:1")
    sizes = [10, 20, 100, 100, 100, 105, 105, 110, 110, 110]
    memory.looks = [(10 * place + 5.0, {RESIDENT: float(size)}) for place, size in enumerate(sizes)]
    growth = memory.growth(RESIDENT, 100.0)
    assert growth is not None and (growth["begin"], growth["end"], growth["most"]) == (100, 110, 110)
    assert growth["percent"] == pytest.approx(10)
    assert memory.growth("minimind_device_memory_bytes", 100.0) is None
