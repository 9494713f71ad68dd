"""What `python -m serving ray` makes of its options, and what it says where that cannot work; without Ray."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from serving import __main__ as commands
from serving.ray_serve.plan import Plan, plan_of


def plan(*words: str) -> Plan:
    return plan_of(commands._parser().parse_args(["ray", *words]))


def test_the_fronts_let_in_what_all_engines_can_answer_and_share_it() -> None:
    one = plan("--slots", "8", "--max-engines", "3", "--queue", "5")
    assert one.front_settings.most_in_flight == 8 * 3 + 5
    assert [plan("--max-engines", "3", "--fronts", n).front_settings.num_slots for n in "124"] == [24, 12, 6]
    assert one.front_options["max_ongoing_requests"] > one.front_settings.most_in_flight
    assert one.engine_options["max_ongoing_requests"] == one.settings.num_slots == 8


def test_engines_follow_the_load_within_their_bounds() -> None:
    options = plan(
        *("--min-engines", "2", "--max-engines", "6", "--slots", "4", "--cpus", "2", "--gpus", "0.5"),
        *("--upscale-seconds", "1", "--downscale-seconds", "9", "--drain-seconds", "7"),
    ).engine_options
    scaling: dict[str, Any] = options["autoscaling_config"]
    assert (scaling["min_replicas"], scaling["initial_replicas"], scaling["max_replicas"]) == (2, 2, 6)
    assert (scaling["upscale_delay_s"], scaling["downscale_delay_s"]) == (1, 9)
    assert scaling["target_ongoing_requests"] == 3.0
    assert options["ray_actor_options"] == {"num_cpus": 2, "num_gpus": 0.5}
    assert options["graceful_shutdown_timeout_s"] == 7


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--min-engines", "3"], "--min-engines 3 is more than --max-engines 2."),
        (["--gpus", "1.5"], "--gpus is a share below 1, or a whole number, not 1.5."),
        (["--gpus", "-1"], "--gpus is a share below 1, or a whole number, not -1."),
        (["--gpus", "inf"], "--gpus is a share below 1, or a whole number, not inf."),
        (["--upscale-seconds", "0"], "upscale_seconds must be above 0 and finite, not 0."),
        (["--downscale-seconds", "nan"], "downscale_seconds must be above 0 and finite, not nan."),
        (["--port", "0"], "Ray's proxies take no free port; name one with --port."),
        (["--host", "0.0.0.0"], "Say under which names 0.0.0.0 is reached"),
    ],
)
def test_what_cannot_work_is_one_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.main(["ray", *words]) == commands.USAGE
    assert capsys.readouterr().err.startswith(sentence)


def test_without_ray_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr("os.environ", dict(os.environ))  # it writes what Ray reads into it
    assert commands.main(["ray"]) == commands.USAGE
    assert (
        capsys.readouterr().err == "Ray is not installed here; run pip install -r requirements-cluster.txt.\n"
    )


def test_a_front_loads_no_torch_and_the_command_no_ray() -> None:
    loads = (
        "import sys, serving.__main__ as main, serving.ray_serve.exchange; main._parser();"
        "print([name in sys.modules for name in ('torch', 'ray')])"
    )
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[False, False]"
