"""The engine in its own thread: asked by many, tells each its own, and ends with a word to everyone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from minimind_core.decoding.engine import Engine, QueueFull
from minimind_core.decoding.engine_thread import EngineStopped, EngineThread
from minimind_core.decoding.generate import generate
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.errors import ConfigError
from minimind_core.model.minimind import MiniMind
from tests.minimind_core.checkpoint_samples import random_model
from tests.minimind_core.gated_engine import GatedEngine

PROMPT = [5, 40, 7, 33]


@pytest.fixture(scope="module")
def model() -> MiniMind:
    return random_model()


@pytest.fixture
def gated(model: MiniMind) -> Iterator[GatedEngine]:
    engine = GatedEngine(model, num_slots=1, max_length=64, queue_limit=2, stop_ids=())
    yield engine
    engine.let.release(1000)


def texts(model: MiniMind, count: int) -> list[list[int]]:
    return [generate(model, [PROMPT], SamplingParams(seed=seed), 9).new_ids[0] for seed in range(count)]


def test_many_threads_each_have_their_own_tokens(model: MiniMind) -> None:
    def ask(seed: int) -> list[int]:
        stream = front.submit(PROMPT, SamplingParams(seed=seed), max_new_tokens=9)
        return [event.token for event in stream if event.token is not None]

    engine = Engine(model, num_slots=3, max_length=64, stop_ids=())
    with EngineThread(engine) as front, ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, range(8))) == texts(model, 8)
        assert front.stats().new_tokens == 72 and front.alive
    assert not front.alive
    with pytest.raises(EngineStopped, match="takes no more requests"):
        front.submit(PROMPT, SamplingParams(), max_new_tokens=1)


def test_asyncio_has_them_too(model: MiniMind) -> None:
    async def ask(seed: int) -> list[int]:
        stream = await front.submit_async(PROMPT, SamplingParams(seed=seed), max_new_tokens=9)
        return [event.token async for event in stream if event.token is not None]

    async def all_at_once() -> list[list[int]]:
        return await asyncio.gather(*(ask(seed) for seed in range(4)))

    with EngineThread(Engine(model, num_slots=3, max_length=64, stop_ids=())) as front:
        assert asyncio.run(all_at_once()) == texts(model, 4)


def test_refusals_reach_whoever_asked(gated: GatedEngine) -> None:
    front = EngineThread(gated)
    with pytest.raises(ConfigError, match="at least one token"):
        front.submit([], SamplingParams(), max_new_tokens=1)
    waiting = [front.start(lambda event: None, PROMPT, SamplingParams(), max_new_tokens=5) for _ in range(4)]
    gated.let.release(1000)
    refused = [future.exception(timeout=60) for future in waiting]
    assert {type(error) for error in refused} == {type(None), QueueFull}
    front.close(drain=True)


def test_a_cancel_ends_a_stream(gated: GatedEngine) -> None:
    with EngineThread(gated) as front:
        stream = front.submit(PROMPT, SamplingParams(), max_new_tokens=50)
        gated.let.release(1)
        events = iter(stream)
        assert next(events).finish is None
        stream.cancel()
        gated.let.release(1000)
        assert list(events)[-1].finish == "cancelled"


@pytest.mark.parametrize("drain", [True, False])
def test_closing_lets_everyone_know(gated: GatedEngine, drain: bool) -> None:
    front = EngineThread(gated)
    streams = [front.submit(PROMPT, SamplingParams(), max_new_tokens=5)]
    closing = threading.Thread(target=front.close, args=(drain,))
    closing.start()
    gated.let.release(1000)
    closing.join(60)
    ends = [list(stream)[-1].finish for stream in streams]
    assert ends == (["length"] if drain else ["cancelled"]) and not closing.is_alive()


def test_a_step_that_fails_ends_every_stream_and_refuses_the_next(gated: GatedEngine) -> None:
    front = EngineThread(gated)
    stream = front.submit(PROMPT, SamplingParams(), max_new_tokens=5)
    gated.batch.decode = None  # type: ignore[assignment, method-assign]
    gated.let.release(1000)
    assert [event.finish for event in stream] == ["error"]
    front._thread.join(60)
    with pytest.raises(EngineStopped) as refused:
        front.submit(PROMPT, SamplingParams(), max_new_tokens=5)
    assert isinstance(refused.value.__cause__, TypeError) and not front.alive
