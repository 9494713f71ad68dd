"""Messages are JSON, carry arrays, and cannot carry code; a worker takes no orders without its key."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from multiprocessing import AuthenticationError, Pipe
from multiprocessing.connection import Client

import numpy as np
import pytest

from labs.contract.registry import ROOT
from labs.runner import protocol
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


def test_a_worker_wants_its_key_and_leaves_no_file() -> None:
    config = {
        "authkey": "00" * 32,
        "device": "cpu",
        "dtype": "fp32",
        "model": "random:byte-128",
        "experiments": [],
    }
    command = [sys.executable, "-m", "labs.runner.worker"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as worker:
        assert worker.stdin is not None and worker.stdout is not None
        worker.stdin.write(json.dumps(config).encode() + b"\n")
        worker.stdin.flush()
        address = json.loads(worker.stdout.readline())
        assert os.stat(os.path.dirname(address)).st_mode & 0o077 == 0, "others may not even look"
        with pytest.raises(AuthenticationError):
            Client(address, authkey=b"wrong")
        assert worker.wait(SOON) != 0 and not os.path.exists(os.path.dirname(address))
