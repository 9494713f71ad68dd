"""The command line against a real server on loopback: counts agree, files, sentences and exit codes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.__main__ import main
from tests.interrupts import hear_interrupts
from tests.serving.load.stub_server import PATIENCE, Stub, running

ROOT = Path(__file__).resolve().parents[3]
QUICK = ["--rate", "400", "--seconds", "0.2", "--warmup", "0"]
KINDS = {
    "answer": "answered",
    "busy": "rejected",
    "broken": "http 500",
    "leave": "disconnected",
    "nonsense": "broken stream",
}


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with running(Stub(*KINDS)) as stub:
        yield stub


@pytest.fixture
def loaded(stub: Stub) -> Stub:
    stub.log.clear()
    stub.bodies.clear()
    return stub


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    "arrivals", [["--arrivals", "poisson"], ["--arrivals", "uniform"], ["--closed", "2"]]
)
def test_client_and_server_count_the_same(
    loaded: Stub, arrivals: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["load", loaded.url, *QUICK, *arrivals, "--json"]) == 0
    summary = printed(capsys)
    assert summary["kinds"] == {KINDS[kind]: count for kind, count in Counter(loaded.log).items()}
    assert summary["sent"] == len(loaded.log) and summary["unfinished"] == 0
    assert summary["latency_ms"]["count"] == loaded.log.count("answer")
    assert summary["tokens_rate"] == pytest.approx(2 * summary["answered_rate"])


def test_the_server_gets_what_was_asked_for(loaded: Stub) -> None:
    options = ["--requests", "1", "--tokens", "7", "--prompt", "今天", "--model", "m", "--temperature", "0.5"]
    assert main(["load", loaded.url + "/v1", *QUICK, *options]) == 0
    assert loaded.bodies == [
        {
            "path": "/v1/completions",
            "model": "m",
            "prompt": "今天",
            "max_tokens": 7,
            "temperature": 0.5,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


def test_a_connection_is_used_again() -> None:
    with running(Stub("answer")) as stub:
        assert main(["load", stub.url, *QUICK, "--closed", "1"]) == 0
        assert len(stub.log) > 1 == len(stub.peers)


def test_the_number_of_requests_is_bounded(loaded: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", loaded.url, *QUICK, "--requests", "3", "--json"]) == 0
    assert printed(capsys)["planned"] == len(loaded.log) == 3


def test_a_trace_is_replayed(loaded: Stub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "trace.txt"
    trace.write_text("100\n100.05\n100.1\n999\n")
    assert main(["load", loaded.url, "--trace", str(trace), "--seconds", "1", "--warmup", "0", "--json"]) == 0
    assert printed(capsys)["planned"] == len(loaded.log) == 3


def test_the_plots_are_one_file_that_needs_no_network(loaded: Stub, tmp_path: Path) -> None:
    plots = tmp_path / "new" / "load.html"
    assert main(["load", loaded.url, *QUICK, "--plot", str(plots)]) == 0
    page = plots.read_text(encoding="utf-8")
    assert "Plotly.newPlot" in page and "goodput" in page and 'src="http' not in page


def test_the_table_is_for_people(loaded: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", loaded.url, *QUICK]) == 0
    out = capsys.readouterr().out
    assert "latency, from when due" in out and "P95" in out and "goodput" in out


def test_a_server_that_is_not_there_fails_with_its_kind(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:  # bound and not listening: whoever connects is refused
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert main(["load", url, *QUICK, "--requests", "3", "--json"]) == 1
    assert printed(capsys)["kinds"] == {"unreachable": 3}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["http://example.com"], "--allow-remote"),
        (["nowhere"], "no address of a server"),
        (["http://127.0.0.1:1", "--trace", "t", "--closed", "1"], "leave out --trace or --closed"),
        (["http://127.0.0.1:1", "--seconds", "1", "--warmup", "2"], "less warm-up"),
        (["http://127.0.0.1:1", "--trace", "/none"], "cannot be read"),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(
    options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["load", *options, "--json"]) == 2
    printed_out, printed_err = capsys.readouterr()
    assert says in json.loads(printed_out)["error"] and says in printed_err


def test_plots_that_cannot_be_written_are_refused_before_anything_is_sent(
    loaded: Stub, tmp_path: Path
) -> None:
    assert main(["load", loaded.url, *QUICK, "--plot", str(tmp_path)]) == 1
    assert not loaded.log


@pytest.mark.parametrize(
    "option", [["--rate", "0"], ["--rate", "nan"], ["--seconds", "1e9"], ["--closed", "0"]]
)
def test_numbers_that_make_no_sense_are_usage_errors(option: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["load", "http://127.0.0.1:1", *option])
    assert ended.value.code == 2


def test_ctrl_c_sums_up_what_was_sent() -> None:
    with running(Stub("answer", "answer", "stall")) as stub:
        command = [sys.executable, "-m", "serving", "load", stub.url, "--json", "--seconds", "600"]
        child = subprocess.Popen(
            [*command, "--closed", "1", "--warmup", "0", "--timeout", "600"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            preexec_fn=hear_interrupts,
        )
        for _ in range(3):  # the third is asked for once two answers have arrived
            assert stub.asked.acquire(timeout=PATIENCE)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=PATIENCE)
    summary = json.loads(out)
    assert child.returncode == 130 and summary["interrupted"] and summary["seconds"] < 600
    assert (summary["sent"], summary["unfinished"], summary["kinds"]) == (3, 1, {"answered": 2})
