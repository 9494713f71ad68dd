"""The service on a Ray cluster: a replica under load gets a second one beside it, and no request is lost."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.labs.runner.waiting import wait_for
from tests.ray_cluster import STARTED, Head, free_ports, needs_ray

pytestmark = [pytest.mark.slow, needs_ray, pytest.mark.timeout(4 * STARTED)]
CALLERS = 6


@pytest.fixture(scope="module")
def address(head: Head) -> Iterator[str]:
    """Of the service, on one replica as long as nobody asks much of it."""
    from ray import serve

    from serving.cluster import Options, application

    (port,) = free_ports(1)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(application(Options(model="draft-1l", num_slots=2, queue=16, max_replicas=2)))
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()


def test_one_replica_serves_at_first(address: str) -> None:
    assert httpx.get(f"{address}/health").status_code == 200 and running() == 1


def test_a_second_replica_comes_with_the_load_and_nobody_is_refused(address: str) -> None:
    busy = True

    def ask() -> set[tuple[int, int]]:
        """Status and tokens of one answer after the other."""
        seen = set()
        while busy:
            body = {"prompt": "Once", "max_tokens": 100, "ignore_eos": True}
            answer = httpx.post(f"{address}/generate", json=body, timeout=STARTED)
            seen.add((answer.status_code, len(answer.json()["new_token_ids"])))
        return seen

    with ThreadPoolExecutor(CALLERS) as threads:
        callers = [threads.submit(ask) for _ in range(CALLERS)]
        try:
            wait_for(lambda: running() == 2, STARTED)
        finally:
            busy = False
    assert [caller.result() for caller in callers] == [{(200, 100)}] * CALLERS


def test_a_replica_answers_as_the_service_does(address: str) -> None:
    refused = httpx.post(f"{address}/generate", json={"prompt": "Once", "max_tokens": 0})
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "max_tokens"
    body = {"model": "draft-1l", "prompt": "Once", "max_tokens": 4, "stream": True}
    with httpx.stream("POST", f"{address}/v1/completions", json=body, timeout=STARTED) as answer:
        assert [line for line in answer.iter_lines() if line][-1] == "data: [DONE]"
    foreign = httpx.get(f"{address}/health", headers={"Host": "elsewhere.example.org"})
    assert foreign.status_code == 421


def running() -> int:
    """How many replicas Ray Serve says are running."""
    from ray import serve

    deployment = serve.status().applications["default"].deployments["Replica"]
    return deployment.replica_states.get("RUNNING", 0)
