"""Real processes: nginx, nodes, Redis and workers, started by one command, killed one by one under load."""

from __future__ import annotations

import asyncio
import os
from functools import cache
from pathlib import Path

import httpx
import psutil
import pytest

from serving.__main__ import main
from tests.serving.scaleout.cluster_process import DEADLINE, TOKENS, ClusterProcess, ask, cluster, recovery
from tests.serving.served import alone

MAY_SAY = {"redis": set[str](), "worker-1": set[str](), "node-1": {"node_failed"}, "nginx": {"broken off"}}
"""What may die, and what requests under way may get instead of their answer."""
NODES = 2
LONG = 700
"""Tokens of an answer that is still made when its cluster is told to end."""


async def load_and_kill(
    running: ClusterProcess, victim: str, requests: int
) -> tuple[list[list[int] | str], float]:
    """Many requests, a death in the middle; their answers, and the seconds until a new one is answered."""
    limits = httpx.Limits(max_connections=requests + 1)
    async with httpx.AsyncClient(
        base_url=running.address, timeout=DEADLINE + 30, limits=limits, trust_env=False
    ) as client:
        for seed in range(NODES):  # each node has answered once: one that knows no model yet takes nothing on
            assert await ask(client, seed, tokens=1) == expected(seed)[:1]
        sent = [asyncio.create_task(ask(client, seed)) for seed in range(requests)]
        await running.busy("worker-1")
        running.kill(victim)
        seconds = await recovery(client)
        return [await each for each in sent], seconds


async def ask_and_end(running: ClusterProcess) -> list[int] | str:
    """The answer to a request that is under way when the cluster is told to end."""
    async with httpx.AsyncClient(base_url=running.address, timeout=DEADLINE + 30, trust_env=False) as client:
        sent = asyncio.create_task(ask(client, 7, tokens=LONG))
        await running.busy("worker-1")
        running.process.terminate()
        return await sent


def check(answers: list[list[int] | str], allowed: set[str]) -> None:
    """Each is the one answer that the model gives, or a clear error."""
    for seed, answer in enumerate(answers):
        assert answer in allowed if isinstance(answer, str) else answer == expected(seed), (seed, answer)


@cache
def expected(seed: int) -> list[int]:
    return alone(seed, TOKENS)


def test_one_command_starts_it_and_ends_it_and_redis_may_die(tmp_path: Path) -> None:
    with cluster(tmp_path, nodes=1, workers=1) as running:
        answers, _ = asyncio.run(load_and_kill(running, "redis", 4))
        check(answers, MAY_SAY["redis"])
        assert running.line("back", "redis")["seconds"] > 0
        asked = httpx.post(
            f"{running.address}/generate", content=b" " * 70_000, headers={"Content-Type": "application/json"}
        )
        assert asked.status_code == 413 and asked.json()["error"]["code"] == "too_large"
        listening = [
            connection.laddr.ip
            for pid in running.pids().values()
            if psutil.pid_exists(pid)
            for connection in psutil.Process(pid).net_connections()
            if connection.status == "LISTEN"
        ]
        assert listening and set(listening) == {"127.0.0.1"}
        pids = running.pids()
        assert asyncio.run(ask_and_end(running)) == alone(7, LONG)
        assert running.end() == 0
    assert not [name for name, pid in pids.items() if psutil.pid_exists(pid)]


@pytest.mark.slow
def test_whoever_dies_every_request_is_answered_once_or_told(tmp_path: Path) -> None:
    """One after the other in one cluster; the seconds are printed."""
    with cluster(tmp_path, nodes=NODES, workers=2) as running:
        for victim, allowed in MAY_SAY.items():
            answers, seconds = asyncio.run(load_and_kill(running, victim, 16))
            check(answers, allowed)
            back = running.line("back", victim)["seconds"]
            answered = sum(isinstance(answer, list) for answer in answers)
            print(f"{victim}: {answered} of {len(answers)}, the next after {seconds:.2f} s, back in {back} s")


def test_what_is_missing_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("serving.scaleout.programs.shutil.which", lambda name, path: None)
    assert main(["cluster"]) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith(
        "redis-server and nginx are not installed; on Debian and Ubuntu run apt-get install"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--data", "/tmp/" + "x" * 90], "choose a shorter one"),
        (["--deadline", "0"], "deadline must be above 0 seconds"),
    ],
)
def test_a_setting_that_cannot_work_is_one_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cluster", *words]) == 2
    assert sentence in capsys.readouterr().err
    assert not os.path.exists("/tmp/" + "x" * 90)


def test_a_place_for_its_data_that_is_none_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        assert main(["cluster", "--data", str(place)]) == 1
        assert capsys.readouterr().err.startswith(f"Cannot write {place.resolve()} (")
