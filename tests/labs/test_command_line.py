"""`python -m labs`: one JSON object on standard output, sentences on the other, exit codes 0, 1, 2, 130."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labs.__main__ import main
from labs.claims import recordings
from labs.claims.checks import value_at
from labs.contract import jsonable
from labs.contract.registry import ROOT, Registry
from labs.runner.device_lock import hold_device
from labs.runner.inline import InlineClient
from labs.tickets import draw
from questions import load_question
from tests.interrupts import hear_interrupts

MODEL = ["--model", "random:byte-128"]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any], str]:
    code = main([*words, "--json"])
    shown = capsys.readouterr()
    return code, json.loads(shown.out), shown.err


def test_run_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = run(capsys, "run", "q13", "--set", "temperature=0.7", "--device", "cpu", *MODEL)
    assert code == 0 and list(shown) == [
        "experiment",
        "params",
        "device",
        "device_name",
        "versions",
        "seconds",
        "result",
    ]
    assert (shown["experiment"], shown["device"]) == ("q13/next_token", "cpu")
    assert shown["params"]["temperature"] == 0.7 and shown["result"]["view"]["kept_count"] >= 1
    assert jsonable.decode(shown["result"])["logits"].shape == (259,)


def test_a_ticket_is_repeated_with_the_settings_that_it_draws(capsys: pytest.CaptureFixture[str]) -> None:
    ticket = draw(load_question("q06_gqa"), seed=4711, registry=Registry.discover())
    typed = ticket.text.lower().replace("-", " ")
    code, shown, _ = run(capsys, "run", "--ticket", typed, "--device", "cpu", *MODEL)
    asked = ticket.prediction
    assert code == 0 and (shown["ticket"], shown["experiment"]) == (ticket.text, asked.experiment)
    assert {name: shown["params"][name] for name in asked.params} == dict(asked.params)
    assert shown["measured"] == value_at(shown["result"], asked.measures) > 0
    assert main(["run", "--ticket", ticket.text, "--device", "cpu", *MODEL]) == 0
    said = capsys.readouterr().out
    assert f"{ticket.text}: " in said and f"measured: {shown['measured']}" in said


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["run", "--ticket", "Q06-7H-04K7"], 2, "is no ticket"),
        (["run", "--ticket", "Q06-7H-04K7-Q0"], 2, "has a typing mistake"),
        (["run", "--ticket", "Q06-7H-04K7-Q1"], 2, "is from another version of Q6"),
        (["run", "q06", "--ticket", "Q06-7H-04K7-Q1"], 2, "--ticket and nothing else"),
        (["run", "--ticket", "Q06-7H-04K7-Q1", "--set", "batch=2"], 2, "--ticket and nothing else"),
        (["run", "q99"], 2, "There is no experiment 'q99'"),
        (["run", "q13", "--set", "temperature=-1"], 2, "Negative temperature would favour the worst tokens."),
        (["run", "q13", "--set", "temprature=1"], 2, "did you mean 'temperature'?"),
        (["run", "q13", "--set", "temperature"], 2, "--set takes NAME=VALUE, not 'temperature'."),
        (["record"], 2, "Say what to record"),
        (["record", "q13", "--all"], 2, "Say what to record"),
        (["run", "q13", "--model", "no-such"], 1, "no-such"),
        (["run", "q13", "--device", "mps"], 1, "not available here"),
    ],
)
def test_errors_are_one_sentence_on_both_channels(
    capsys: pytest.CaptureFixture[str], words: list[str], code: int, sentence: str
) -> None:
    got, shown, errors = run(capsys, *words)
    assert got == code and list(shown) == ["error"]
    assert sentence in shown["error"] and shown["error"] in errors and "Traceback" not in errors


@pytest.mark.parametrize("words", [["run", "q13"], ["record", "q13/next_token"]])
def test_a_cache_folder_that_is_a_file_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MINIMIND_LAB_CACHE", str(tmp_path / "file"))
    code, shown, _ = run(capsys, *words, "--device", "cpu", *MODEL)
    assert code == 1 and "MINIMIND_LAB_CACHE" in json.dumps(shown)


def test_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = run(capsys, "list")
    assert code == 0
    assert [entry["id"] for entry in shown["experiments"]] == [e.id for e in Registry.discover()]
    assert main(["list"]) == 0 and "q13/next_token" in capsys.readouterr().out


class Terminal(io.StringIO):
    """Stands for a standard error that somebody looks at."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "words",
    [["run", "q13", "--device", "cpu", *MODEL], ["record", "q13/next_token", *MODEL], ["verify", "q05"]],
)
def test_a_long_command_has_a_bar_on_a_terminal_and_none_beside_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]
) -> None:
    monkeypatch.setattr(recordings.record, "__defaults__", (tmp_path,))
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert main(words) == 0 and "  0% |" in sys.stderr.getvalue()
    capsys.readouterr()
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert main([*words, "--json"]) == 0 and sys.stderr.getvalue() == ""
    assert json.loads(capsys.readouterr().out)


INTERRUPTED = """
import sys
from labs.__main__ import main
from labs.runner import execute

hold_device = execute.hold_device

def announced(device, while_waiting):
    def announce():
        print("waiting", file=sys.stderr, flush=True)
        while_waiting()

    return hold_device(device, while_waiting=announce)

execute.hold_device = announced
sys.exit(main(["run", "q13", "--device", "cpu", "--json", "--model", "random:byte-128"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no Ctrl+C for a child there")
def test_an_interrupt_is_130() -> None:
    with hold_device("cpu"):  # the run waits for this program, so it is certain to be interrupted in time
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=hear_interrupts,
        )
        assert process.stderr is not None and process.stderr.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate()
    assert process.returncode == 130 and json.loads(out) == {"error": "Interrupted."}
    assert "Traceback" not in errors


def test_record_keeps_the_run_and_its_spread(tmp_path: Path) -> None:
    client = InlineClient.start("cpu", model="random:byte-128")
    jobs = [client.submit("q13/next_token") for _ in range(3)]
    path = recordings.record(jobs, tmp_path)
    assert path.parent == tmp_path / "q13/next_token" and path.suffix == ".json"
    [found] = recordings.recorded("q13/next_token", tmp_path)
    durations = sorted(job.seconds for job in jobs)
    assert found["seconds"] == durations[1] and found["spread"]["seconds"] == durations
    assert found["runs"] == 3 and found["date"] and found["device"] == "cpu" and "torch" in found["versions"]
    assert (found["result"]["logits"] == jobs[0].result["logits"]).all()  # type: ignore[index]
    assert recordings.recorded("q13/continuation", tmp_path) == []
    assert recordings.variants("q13/next_token", tmp_path) == []
    other = recordings.record([client.submit("q13/next_token", {"prompt": "Hi", "top_p": 0.1})], tmp_path)
    assert other.relative_to(tmp_path).parts[:3] == ("q13", "next_token", "prompt-hi")
    assert len(recordings.recorded("q13/next_token", tmp_path)) == 1
    assert [found["params"]["prompt"] for found in recordings.variants("q13/next_token", tmp_path)] == ["Hi"]
