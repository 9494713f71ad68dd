"""A server without a free file descriptor says so once, and takes what the system gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FEW = 40
SERVER = f"""
import asyncio, resource, sys
from pages.ui.site import descriptors

resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW}, {FEW}))
descriptors.raise_limit()

async def answer(reader, writer):
    writer.write(b"here")

async def live():
    asyncio.get_running_loop().set_exception_handler(descriptors.Exhaustion())
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.readline)

asyncio.run(live())
"""


def test_used_up_descriptors_are_one_sentence_and_free_ones_are_used_again() -> None:
    import socket

    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    address = ("127.0.0.1", int(process.stdout.readline()))
    crowd = [socket.create_connection(address) for _ in range(FEW + 10)]
    crowd[-1].settimeout(0.5)
    with pytest.raises(TimeoutError):
        crowd[-1].recv(4)
    for connection in crowd[:-1]:
        connection.close()
    crowd[-1].settimeout(30)
    assert crowd[-1].recv(4) == b"here"
    crowd[-1].close()
    written = process.communicate("\n", timeout=30)[1]
    assert written.count("No file descriptors are left") == 1 and len(written) < 2_000, written[:2_000]


def test_the_limit_is_lifted_as_far_as_the_system_lets_it() -> None:
    code = (
        "import resource\nfrom pages.ui.site import descriptors\n"
        "hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 4096)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))\ndescriptors.raise_limit()\n"
        "assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
