"""What Prometheus reads agrees with what was sent; the log has a line a request and no word of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.logs import JsonLines
from tests.serving.served import PROMPT, Served, held_back, served, until

ASK = {"prompt": PROMPT, "max_tokens": 5, "ignore_eos": True}


async def figures(there: Served) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    text = (await there.client.get("/metrics")).text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_figures_agree_with_what_was_sent() -> None:
    async def ask() -> dict[tuple[str, ...], float]:
        async with served() as there:
            for count in (5, 5, 7):
                await there.client.post("/generate", json={**ASK, "max_tokens": count})
            await there.client.post("/v1/completions", json={**ASK, "max_tokens": 1, "stream": True})
            await there.client.post("/generate", json={**ASK, "max_tokens": 0})
            await there.client.post("/generate", json={**ASK, "model": "other"})
            await there.client.post("/generate", content="x" * 70_000)
            return await figures(there)

    found = asyncio.run(ask())
    assert found["minimind_requests_total", "/generate", "answered"] == 3
    assert found["minimind_requests_total", "/v1/completions", "answered"] == 1
    assert found["minimind_output_tokens_total",] == 5 + 5 + 7 + 1
    assert found["minimind_prompt_tokens_total",] == 4 * (1 + len(PROMPT))
    assert found["minimind_request_seconds_count", "/generate"] == 3
    assert found["minimind_time_to_first_token_seconds_count",] == 4
    assert found["minimind_time_per_output_token_seconds_count",] == 3  # a single token has no pace
    for reason in ("invalid_request", "model_not_found", "too_large"):
        assert found["minimind_rejections_total", reason] == 1
    assert found["minimind_breaker_state", "closed"] == 1 and found["minimind_breaker_state", "open"] == 0
    assert found["minimind_in_flight",] == 0 and found["minimind_kv_slots",] == 3
    assert found["process_resident_memory_bytes",] > 0
    first, whole = (
        found[name, *label]
        for name, *label in (
            ("minimind_time_to_first_token_seconds_sum",),
            ("minimind_request_seconds_sum", "/generate"),
        )
    )
    assert first > 0 and 0 < whole < 600


def test_gauges_show_who_runs_and_who_waits() -> None:
    async def ask() -> tuple[dict[tuple[str, ...], float], ...]:
        async with held_back(num_slots=2, queue=3) as (there, engine):
            asked = {**ASK, "max_tokens": 40}
            sent = [asyncio.create_task(there.client.post("/generate", json=asked)) for _ in range(5)]

            def filled() -> bool:
                engine.let.release()
                return engine.stats().batch_size == 2 and len(engine.scheduler.waiting) == 3

            await until(filled)
            looking = asyncio.create_task(figures(there))

            def looked() -> bool:
                engine.let.release()
                return looking.done()

            await until(looked)
            engine.let.release(1000)
            await asyncio.gather(*sent)
            return looking.result(), await figures(there)

    busy, idle = asyncio.run(ask())
    assert busy["minimind_in_flight",] == 5 and busy["minimind_queue_depth",] == 3
    assert busy["minimind_batch_size",] == 2 == busy["minimind_kv_slots_used",]
    assert idle["minimind_in_flight",] == 0 == idle["minimind_kv_slots_used",]
    assert idle["minimind_engine_steps",] > busy["minimind_engine_steps",] > 0


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """The log so far, as its reader has it."""
    caplog.set_level("INFO", "serving")
    return lambda: [
        json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "serving"
    ]


def test_the_log_has_a_line_a_request_and_no_word_of_it(lines: Callable[[], list[dict[str, Any]]]) -> None:
    async def ask() -> None:
        async with served() as there:
            secret = {**ASK, "prompt": "my secret", "stop": ["secret"], "user": "secret"}
            await there.client.post("/generate", json=secret, headers={"X-Request-Id": "mine-1"})
            refused = await there.client.post("/generate", json={**secret, "n": 2})
            await there.client.post("/generate", json=ASK, headers={"X-Request-Id": "bad\tid" * 40})
            await there.client.get("/health")
            assert refused.headers["X-Request-Id"]

    asyncio.run(ask())
    answered, refused, other = (line for line in lines() if line["event"] == "request")
    assert answered["request_id"] == "mine-1" and answered["outcome"] == "answered"
    assert answered["output_tokens"] == 5 and 0 < answered["first_token_seconds"] <= answered["seconds"]
    assert refused["status"] == 400 and "outcome" not in refused
    assert len(other["request_id"]) == 32
    assert "secret" not in json.dumps(lines())
