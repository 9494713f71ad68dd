"""A real process with a real port: where it listens, what a closed connection does, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from minimind_core.errors import NO_MEMORY
from tests.minimind_core.checkpoint_samples import save_tiny
from tests.serving.logged_process import LoggedProcess

PATIENCE = 120.0

LONG = {"prompt": "Ab", "max_tokens": 3000, "ignore_eos": True, "stream": True}
SHORT = {"prompt": "Ab", "max_tokens": 3}


class Process(LoggedProcess):
    """`serve` with a tiny model, on a port of its own."""

    def __init__(self, folder: Path) -> None:
        options = {"--max-length": 4096, "--max-new-tokens": 4000, "--deadline": 600, "--drain-seconds": 600}
        words = [str(word) for option in options.items() for word in option]
        super().__init__("serve", "--port", "0", "--model", str(folder), "--device", "cpu", *words)
        self.address = f"http://127.0.0.1:{self.line('listening')['port']}"
        self.client = httpx.Client(base_url=self.address, timeout=PATIENCE, trust_env=False)

    def ended(self) -> int:
        """Its exit code, and in `lines` the rest of its log."""
        self.client.close()
        code = self.process.wait(PATIENCE)
        self.rest()
        return code


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    save_tiny(tmp_path / "tiny")
    server = Process(tmp_path / "tiny")
    yield server
    server.process.kill()
    server.process.wait()


def wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def metric(server: Process, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", server.client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_a_process_from_its_first_line_to_its_last(server: Process) -> None:
    """It is on loopback only; a closed connection ends a request; SIGTERM lets what was accepted end."""
    sockets = psutil.Process(server.process.pid).net_connections()
    assert [each.laddr.ip for each in sockets if each.status == "LISTEN"] == ["127.0.0.1"]

    with server.client.stream("POST", "/v1/completions", json=LONG) as stream:
        lines = stream.iter_lines()
        next(lines)
        assert metric(server, "minimind_in_flight") == 1
    wait_for(lambda: metric(server, "minimind_in_flight") == 0 == metric(server, "minimind_kv_slots_used"))
    assert metric(server, 'minimind_requests_total{endpoint="/v1/completions",outcome="cancelled"}') == 1

    with server.client.stream("POST", "/v1/completions", json=LONG) as stream:
        lines = stream.iter_lines()
        first = next(lines)
        server.process.send_signal(signal.SIGTERM)
        assert server.line("draining")["in_flight"] == 1
        with httpx.Client(base_url=server.address, timeout=PATIENCE, trust_env=False) as other:
            refused, ready = other.post("/generate", json=SHORT), other.get("/health/ready")
        rest = [line for line in lines if line]
    assert first.startswith("data: ") and rest[-1] == "data: [DONE]"
    assert json.loads(rest[-2].removeprefix("data: "))["choices"][0]["finish_reason"] == "length"
    assert refused.status_code == 503 and refused.json()["error"]["code"] == "draining"
    assert refused.headers["Retry-After"] == "1" and ready.status_code == 503
    assert server.ended() == 0
    requests = [line for line in server.lines if line["event"] == "request"]
    assert [line.get("outcome") for line in requests] == ["cancelled", "draining", "answered"]
    assert requests[-1]["output_tokens"] == LONG["max_tokens"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--host", "0.0.0.0"], "Say under which names 0.0.0.0 is reached"),
        *(
            (["--backend", address], "A backend is `engine` or an address with http:// or redis://")
            for address in ("ftp://x", "http://", "http://h:99999", "http://[::1", "redis://", "unix://")
        ),
        (["--deadline", "0"], "deadline must be above 0 seconds"),
        (["--deadline", "nan"], "deadline must be above 0 seconds"),
        (["--deadline", "1e400"], "deadline must be at most 86,400 seconds, not inf."),
        (["--gather-seconds", "inf"], "gather_seconds must be at most 86,400 seconds, not inf."),
    ],
)
def test_a_setting_that_cannot_work_is_one_sentence(options: list[str], sentence: str) -> None:
    from serving.__main__ import main

    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr("builtins.print", lambda *words, **_: said.extend(map(str, words)))
        assert main(["serve", *options]) == 2
    assert sentence in said[0]


@pytest.mark.parametrize("words", [["serve", "--port", "0"], ["worker"]], ids=lambda words: words[0])
def test_more_memory_than_there_is_is_one_sentence(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from serving.__main__ import main

    save_tiny(tmp_path / "tiny")
    long = ["--max-length", "999999999999", "--model", str(tmp_path / "tiny"), "--device", "cpu"]
    assert main([*words, *long]) == 1
    assert capsys.readouterr().err == f"{NO_MEMORY}\n"
