"""The circuit breaker, beside pybreaker's, and around a backend that fails."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pybreaker
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.backends.backend import Load, Piece, Usage, Work
from serving.backends.embedded import EmbeddedBackend
from serving.breaker import Breaker
from serving.errors import BackendBusy, BackendFailed, Invalid, ServiceError
from serving.settings import Settings
from tests.serving.served import PROMPT, SMALL, served, tiny

FAILURES, SECONDS = 3, 10.0
ASK = {"prompt": PROMPT, "max_tokens": 4, "ignore_eos": True}


class Clock:
    """Stands still until it is put forward; speaks as time.monotonic and as datetime.now."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def now(self, zone: datetime.tzinfo) -> datetime.datetime:
        return datetime.datetime(2026, 1, 1, tzinfo=zone) + datetime.timedelta(seconds=self.seconds)


def fail() -> None:
    raise RuntimeError


def referee_lets_through(referee: pybreaker.CircuitBreaker, succeeds: bool) -> bool:
    try:
        referee.call((lambda: None) if succeeds else fail)
    except pybreaker.CircuitBreakerError:
        return False
    except RuntimeError:
        return True
    return True


@given(st.lists(st.sampled_from(["success", "failure", "failure", 4.0, 6.0, 10.0]), max_size=40))
def test_it_does_what_pybreaker_does(calls: list[Any]) -> None:
    clock = Clock()
    ours = Breaker(FAILURES, SECONDS, clock)
    referee = pybreaker.CircuitBreaker(FAILURES, SECONDS, throw_new_error_on_trip=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pybreaker, "datetime", clock)
        for call in calls:
            if isinstance(call, float):
                clock.seconds += call
                continue
            let_through = ours.let_through()
            assert (let_through is not None) == referee_lets_through(referee, call == "success")
            if let_through is not None:
                (let_through.succeeded if call == "success" else let_through.failed)()
            assert ours.state == referee.current_state


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(FAILURES, SECONDS, clock)
    passes = [breaker.let_through() for _ in range(FAILURES)]
    for let_through in passes:
        assert let_through is not None
        let_through.failed()
    assert breaker.state == "open" and breaker.let_through() is None and breaker.retry_after == SECONDS
    return breaker


def test_one_request_alone_tries_a_half_open_backend() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.seconds = SECONDS
    trial = breaker.let_through()
    assert trial is not None and breaker.let_through() is None and breaker.state == "half-open"
    trial.abandoned()
    second = breaker.let_through()
    assert second is not None
    second.succeeded()
    assert breaker.state == "closed" and breaker.let_through() is not None


def test_news_from_before_it_opened_changes_nothing() -> None:
    clock = Clock()
    breaker = Breaker(FAILURES, SECONDS, clock)
    old = [breaker.let_through() for _ in range(FAILURES + 2)]
    for let_through in old[:FAILURES]:
        assert let_through is not None
        let_through.failed()
    clock.seconds = SECONDS
    trial = breaker.let_through()
    assert trial is not None and old[-1] is not None and old[-2] is not None
    old[-1].succeeded()
    old[-2].failed()
    assert breaker.state == "half-open" and breaker.let_through() is None


class Scripted:
    """A backend that does what its list says, then answers."""

    alive = True

    def __init__(self, *script: ServiceError) -> None:
        self.script, self.asked = list(script), 0

    async def generate(self, work: Work) -> AsyncGenerator[Piece]:
        self.asked += 1
        if self.script:
            raise self.script.pop(0)
        yield Piece("ok", (1,), "length", Usage(1, 1))

    async def models(self) -> list[str]:
        return ["scripted"]

    def load(self) -> Load | None:
        return None

    async def close(self) -> None:
        pass


def test_a_backend_that_fails_is_left_alone_and_tried_again() -> None:
    backend, clock = Scripted(*[BackendFailed("It broke.") for _ in range(FAILURES)]), Clock()

    async def ask() -> list[Any]:
        async with served(backend, breaker_failures=FAILURES, breaker_seconds=SECONDS) as there:
            there.service.breaker.clock = clock
            answers = [await there.client.post("/generate", json=ASK) for _ in range(FAILURES + 2)]
            ready = await there.client.get("/health/ready")
            asked, clock.seconds = backend.asked, SECONDS
            answers += [await there.client.post("/generate", json=ASK)]
            ready_again = await there.client.get("/health/ready")
            return [answers, ready, ready_again, asked]

    answers, ready, ready_again, asked = asyncio.run(ask())
    assert [answer.status_code for answer in answers] == [503] * 5 + [200] and asked == FAILURES
    codes = [answer.json()["error"]["code"] for answer in answers[:-1]]
    assert codes == ["backend_failed"] * 3 + ["breaker_open"] * 2
    assert answers[4].headers["Retry-After"] == "10"
    assert ready.status_code == 503 and ready.json()["status"] == "breaker_open"
    assert ready_again.status_code == 200


@pytest.mark.parametrize("error", [BackendBusy("Later."), Invalid("Not so.")])
def test_what_is_no_fault_of_the_backend_opens_nothing(error: ServiceError) -> None:
    async def ask() -> str:
        async with served(Scripted(*[error] * 5), breaker_failures=2) as there:
            for _ in range(5):
                await there.client.post("/generate", json=ASK)
            return there.service.breaker.state

    assert asyncio.run(ask()) == "closed"


@pytest.mark.parametrize("stream", [False, True])
def test_a_smaller_model_answers_meanwhile_and_the_answer_says_so(stream: bool) -> None:
    async def ask() -> tuple[httpx.Response, float]:
        fallback = EmbeddedBackend(tiny(), Settings(**SMALL))
        async with served(Scripted(BackendFailed("It broke.")), fallback, breaker_failures=1) as there:
            await there.client.post("/generate", json=ASK)
            answer = await there.client.post("/generate", json={**ASK, "stream": stream, "model": "scripted"})
            return answer, there.service.metrics.degraded._value.get()

    answer, counted = asyncio.run(ask())
    assert answer.status_code == 200 and answer.headers["X-Degraded"] == "true" and counted == 1
    assert answer.text.count('"degraded": true' if stream else '"degraded":true') >= 1
    assert stream or answer.json()["model"] == "tiny"


def test_an_engine_whose_step_failed_is_replaced() -> None:
    settings = Settings(**SMALL)
    backend = EmbeddedBackend(tiny(), settings)

    async def ask() -> list[int]:
        async with served(backend) as there:
            before = await there.client.post("/generate", json=ASK)
            backend._front._engine.batch.decode = None  # type: ignore[assignment, method-assign]
            broken = await there.client.post("/generate", json=ASK)
            after = await there.client.post("/generate", json=ASK)
            return [before.status_code, broken.status_code, after.status_code]

    assert asyncio.run(ask()) == [200, 503, 200]
