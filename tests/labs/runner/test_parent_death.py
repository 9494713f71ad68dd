"""kill -9 of the server leaves no process behind, whatever the worker is doing."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.labs.runner.waiting import wait_for

SERVER = """
import sys, time
from labs.contract.registry import Registry
from labs.runner import WorkerClient
from labs.runner.store import ResultStore
import pathlib

client = WorkerClient.start("cpu", model="random:byte-128", registry=Registry(["tests.labs.q00_specimens"]),
                            store=ResultStore(pathlib.Path(sys.argv[2])))
if sys.argv[1] != "loading":
    job = client.submit("q00/" + sys.argv[1])
    while not job.partials:
        time.sleep(0.01)
print(client._supervisor._pools.lanes["own"].process.pid, flush=True)
time.sleep(600)
"""


def members(group: int) -> list[str]:
    """Commands of the living processes of a process group."""
    listed = subprocess.run(
        ["ps", "-e", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True
    )
    rows = (line.split(None, 2) for line in listed.stdout.splitlines())
    return [row[2] for row in rows if row[0] == str(group) and not row[1].startswith("Z")]


@pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9 and process groups")
@pytest.mark.parametrize("doing", ["loading", "hang_in_c", "children"])
def test_kill_9_of_the_server_ends_its_worker(doing: str, tmp_path: object) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, doing, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        worker = int(server.stdout.readline())
        assert members(worker)
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
        server.stdout.close()
    wait_for(lambda: not members(worker))
