"""`python -m serving cluster` with a tiny model: its log, its processes, and requests to it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.minimind_core.checkpoint_samples import save_tiny
from tests.serving.logged_process import LoggedProcess
from tests.serving.scaleout.redis_server import need
from tests.serving.served import PROMPT, until

PATIENCE, DEADLINE = 240.0, 120.0
TOKENS = 120


class ClusterProcess(LoggedProcess):
    """Started in `folder`; `lines` are its log so far."""

    def __init__(self, folder: Path, nodes: int, workers: int) -> None:
        save_tiny(folder / "tiny")
        options = {
            "--nodes": nodes,
            "--workers": workers,
            "--port": 0,
            "--data": folder,
            "--model": folder / "tiny",
            "--device": "cpu",
            "--slots": 4,
            "--max-length": 1024,
            "--max-new-tokens": 1000,
            "--deadline": DEADLINE,
        }
        words = [str(word) for option in options.items() for word in option]
        super().__init__("cluster", *words)
        self.folder = folder
        self.address = self.line("ready")["address"]

    def pids(self) -> dict[str, int]:
        """Of each process the newest."""
        return {line["name"]: line["pid"] for line in self.lines if line["event"] == "started"}

    def kill(self, name: str) -> None:
        os.kill(self.pids()[name], signal.SIGKILL)

    async def busy(self, worker: str) -> None:
        """Wait until a worker is in the middle of an answer."""
        lines = map(json.loads, (self.folder / f"{worker}.log").read_text().splitlines())
        port = [line["metrics_port"] for line in lines if line["event"] == "working"][-1]
        address = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:

            async def holds() -> bool:
                text = (await client.get(address)).text
                used = re.search(r"^minimind_kv_slots_used (\S+)$", text, re.MULTILINE)
                return used is not None and float(used[1]) > 0

            await until(holds)


@contextmanager
def cluster(folder: Path, nodes: int, workers: int) -> Iterator[ClusterProcess]:
    """A cluster that ends with the block."""
    need("redis-server", "nginx")
    running = ClusterProcess(folder, nodes, workers)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end()


async def ask(client: httpx.AsyncClient, seed: int, tokens: int = TOKENS) -> list[int] | str:
    """The token ids of an answer, or the code of its error; `broken off` where there was none."""
    body = {"prompt": PROMPT, "max_tokens": tokens, "seed": seed, "ignore_eos": True}
    began = time.monotonic()
    try:
        answer = await client.post("/generate", json=body)
    except httpx.TransportError:
        return "broken off"
    finally:
        assert time.monotonic() - began < DEADLINE + 10
    data = answer.json()
    if answer.status_code == 200:
        return list(data["token_ids"])
    assert data["error"]["message"].endswith(".") and answer.status_code in (503, 504)
    return str(data["error"]["code"])


async def recovery(client: httpx.AsyncClient) -> float:
    """Seconds until a request that comes now is answered, asked again and again."""
    began = time.monotonic()

    async def answered() -> bool:
        return isinstance(await ask(client, 0, tokens=1), list)

    await asyncio.wait_for(until(answered), PATIENCE)
    return time.monotonic() - began
