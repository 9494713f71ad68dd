"""Messages are JSON, carry arrays, and cannot carry code; nobody else reaches the line to a worker."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import sys
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.runner import protocol
from labs.runner.process import WorkerProcess
from minimind_core.errors import Sentence
from tests.labs.runner.waiting import SOON


def test_a_message_comes_back_with_its_arrays() -> None:
    ours, theirs = Pipe()
    protocol.send(ours, {"result": {"x": np.eye(2, dtype=np.float32), "词": [None, True, "␣"]}})
    result = protocol.receive(theirs)["result"]
    assert result["x"].tolist() == [[1, 0], [0, 1]] and result["词"] == [None, True, "␣"]
    ours.close()
    with pytest.raises(EOFError):
        protocol.receive(theirs)


def test_a_pickle_is_not_read() -> None:
    class Bomb:
        def __reduce__(self) -> object:
            return pytest.fail, ("code in a message was run",)

    ours, theirs = Pipe()
    ours.send_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError):
        protocol.receive(theirs)


def events_of(config: dict[str, object]) -> tuple[WorkerProcess, queue.Queue[protocol.Message]]:
    events: queue.Queue[protocol.Message] = queue.Queue()
    about = {"device": "cpu", "dtype": "fp32", "model": "random:byte-128", "experiments": [], **config}
    return WorkerProcess(about, lambda _process, message: events.put(message)), events


@pytest.mark.skipif(sys.platform == "win32", reason="there it is a named pipe with a key")
def test_the_line_to_a_worker_needs_no_file_and_no_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("long" * 40)  # the path of a socket has some hundred characters at most
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    worker, events = events_of({})
    try:
        assert events.get(timeout=SOON)["state"] == "loading"
        assert not list(folder.iterdir())
        if sys.platform == "linux":
            own = {link for link in sockets(worker.pid) if link.startswith("socket:")}
            listening = "".join(Path("/proc/net", name).read_text() for name in ("tcp", "tcp6", "unix"))
            lines = [
                line for line in listening.splitlines() if any(link[8:-1] in line.split() for link in own)
            ]
            assert own and all(" 0A " not in line and " 00010000 " not in line for line in lines)
    finally:
        worker.kill()
        worker.join(SOON)
    assert events.get(timeout=SOON)["event"] in ("status", "exit")


def sockets(pid: int) -> list[str]:
    links = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since the folder was read
            links.append(os.readlink(link))
    return links


ANY = st.characters(exclude_categories=(), exclude_characters="_")  # "__float__" is our own mark


@given(st.text(ANY, max_size=20), st.dictionaries(st.text(ANY), st.floats()))
@settings(max_examples=50, deadline=None)
def test_any_text_comes_through(text: str, numbers: dict[str, float]) -> None:
    ours, theirs = Pipe()
    with ours, theirs:
        protocol.send(ours, {"text": text, "numbers": numbers})
        message = protocol.receive(theirs)
    assert message["text"] == text and str(message["numbers"]) == str(numbers)


def test_a_sentence_comes_through_whatever_fills_it() -> None:
    ours, theirs = Pipe()
    with ours, theirs:
        values = {"path": Path("/x"), "shape": (1, 2), "count": 3, "nothing": None}
        protocol.send(ours, {"error": Sentence("No.", "x.y", values)})
        error = protocol.receive(theirs)["error"]
    assert (error, error.key) == ("No.", "x.y")
    assert error.values == {"path": "/x", "shape": "(1, 2)", "count": 3, "nothing": None}
